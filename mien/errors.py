"""Everything that mien raises on purpose.

MienError
├── SettingsError        a setting, flag or name that cannot be used
├── PortInUse            the dashboard's port is taken
├── BrokerError          Redis or Valkey does not do what it is asked
│   ├── BrokerUnavailable  it does not answer, or cannot do it now: try again
│   └── BrokerRefused    it says no, and will say so again: password, rights, version
├── SourceError          a camera source
│   ├── UnknownSource    no such scheme, file or device: trying again will not help
│   └── SourceLost       it was there and is gone, or does not answer yet: try again
├── PictureError         bytes that are not a usable picture
│   └── PictureTooLarge  a picture that declares more pixels than it may have
├── VideoError           a video that cannot be read, or not to its end
├── InputError           a path given by a person: missing, empty, not readable
├── WeightsError         a file of weights that is missing, damaged or of another kind
├── RuntimeMissing       an inference runtime that is not installed
└── JobError             a job that does not exist or cannot be queued
    ├── JobConflict      a job that is there, but not in a state in which that can be done
    └── JobNotStored     a job whose folder cannot be written

Each message says what was wrong, with what value, and what to do, in one line.
"""

from __future__ import annotations

from mien.secrets import scrubbed

LONGEST_LINE = 1000


class MienError(Exception):
    """The root: a message for a person, in one line; `exit_code` is what the command line returns."""

    exit_code = 1


class SettingsError(MienError):
    """A setting, flag or name that cannot be used."""

    exit_code = 2


class PortInUse(MienError):
    """The port that the dashboard should listen on is taken."""


class BrokerError(MienError):
    """Redis or Valkey does not do what it is asked."""


class BrokerUnavailable(BrokerError):
    """Redis or Valkey does not answer, or cannot do it now; trying again may help."""


class BrokerRefused(BrokerError):
    """Redis or Valkey refuses what it is asked; trying again will not help."""


class SourceError(MienError):
    """Something is wrong with the source of a camera."""


class UnknownSource(SourceError):
    """No such scheme, file, folder or device; trying again will not help."""

    exit_code = 2


class SourceLost(SourceError):
    """The source does not answer, or stopped; trying again may help."""


class PictureError(MienError):
    """Bytes that are not a picture, are truncated, or are larger than the limits."""


class PictureTooLarge(PictureError):
    """A picture, or the pictures of a video, that declare more pixels than they may have."""


class VideoError(MienError):
    """A video that is none, is damaged, breaks off, or changes its size."""


class InputError(MienError):
    """A path given by a person that is missing, empty or not readable."""

    exit_code = 2


class WeightsError(MienError):
    """A file of weights that is missing, damaged, tampered with or of another kind."""


class RuntimeMissing(MienError):
    """An inference runtime that is not installed."""


class JobError(MienError):
    """A job that does not exist or cannot be queued."""


class JobConflict(JobError):
    """A job that exists, but whose state does not allow what was asked for."""


class JobNotStored(JobError):
    """A job whose folder cannot be written: the disk is full, or somebody else's."""


def line_of(error: BaseException | str, most: int = LONGEST_LINE) -> str:
    """Return the message of an error in one line of at most `most` letters, without secrets; never empty.

    >>> line_of(ValueError("no such  file:\n rtsp://ann:secret@10.0.0.7/live"))
    'no such file: rtsp://***@10.0.0.7/live'
    """
    said = scrubbed(" ".join(str(error).split()))
    if not said:
        return type(error).__name__ if isinstance(error, BaseException) else "no reason was given"
    return said if len(said) <= most else f"{said[: most - 1]}…"
