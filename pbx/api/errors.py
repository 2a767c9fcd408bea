"""Why the API says no."""

from starlette.exceptions import HTTPException


class ApiError(HTTPException):
    """An answer other than 2xx, with what to do about it."""

    def __init__(self, status_code: int, error: str, hint: str = "") -> None:
        super().__init__(status_code, error)
        self.hint = hint
