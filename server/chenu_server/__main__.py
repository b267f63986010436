"""The command `chenu`, also as `python -m chenu_server`."""

from chenu_server.cli.app import app
from chenu_server.cli.streams import standard_streams


def main() -> None:
    """Run the command line."""
    with standard_streams():
        app(prog_name="chenu")


if __name__ == "__main__":
    main()
