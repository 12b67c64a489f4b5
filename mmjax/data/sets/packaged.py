"""Files of data sets that come with the package."""

from pathlib import Path


def packaged(path: Path, what: str, tool: str) -> Path:
    """`path`, which is there.

    Args:
      path: of the file.
      what: the data, `The samples are`, for the message.
      tool: in `tools/`, that makes the file.

    Raises:
      FileNotFoundError: when it is not.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. {what} part of the package: install mmjax again, or make the file "
            f"with tools/{tool}."
        )
    return path
