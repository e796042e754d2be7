"""``python -m mm_core``: the same as ``mm``."""

from mm_core.cli import main

if __name__ == "__main__":
    main()
