"""The command line, ``mm``. One module per command, imported when it is typed.

A command is a plain function with typer annotations that returns an
:class:`~mm_core.api.commands.Answer`; printing, errors and exit codes are the same for all of them
(:mod:`mm_core.cli.run`).
"""


def main() -> None:
    """Entry point of the script ``mm``."""
    from mm_core.cli.app import app

    app()
