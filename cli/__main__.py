"""`python -m cli` is `mien`."""

from __future__ import annotations

from cli.main import main
from cli.up.parent import end_with_parent

end_with_parent()
main()
