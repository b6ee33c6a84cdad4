"""`python -m bench setup_baselines`: the environment of what mien is measured against.

`fer` 25.10.3 asks for packages that fight ours (OpenCV 5, torch, moviepy) and needs none of them to read pictures, so
it gets an environment of its own and what its code really imports. The classic way (`bench classic_loop`) needs of the
same packages TensorFlow, with Keras, and an OpenCV that still has Haar cascades, so it shares that environment.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import venv

from tests.support.paths import ROOT

FER_FOLDER = ROOT / ".mien" / "bench" / "fer"
FER_PYTHON = FER_FOLDER / "bin" / "python"
CLASSIC_PYTHON = FER_PYTHON
_FER = "fer==25.10.3"
_FER_NEEDS = (
    "tensorflow-cpu==2.21.0",
    "opencv-python-headless<5",  # 5 has no cascades
    "setuptools<81",  # fer imports pkg_resources
    "pandas",
    "pillow",
    "requests",
    "tqdm",
)
_DONE = FER_FOLDER / "done"


def main() -> None:
    """Make what is not there yet."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if _DONE.is_file() and _DONE.read_text() == _wanted():
        print(f"{FER_FOLDER} is there")
        return
    print(f"installing {_FER} into {FER_FOLDER} …", flush=True)
    shutil.rmtree(FER_FOLDER, ignore_errors=True)
    venv.create(FER_FOLDER, with_pip=True)
    _pip("install", *_FER_NEEDS)
    _pip("install", "--no-deps", _FER)
    _DONE.write_text(_wanted())


def _wanted() -> str:
    return "\n".join([_FER, *_FER_NEEDS])


def _pip(*arguments: str) -> None:
    command = [str(FER_PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"{' '.join(command)} failed")


if __name__ == "__main__":
    main()
