"""Tables that scripts write between marks of a page, for the scripts beside it."""

import re


def with_content(page: str, name: str, content: str) -> str:
    """The page with new content between the marks of one name.

    Raises
    ------
    SystemExit : the page has no such marks
    """
    pattern = rf"(<!-- {name} -->\n).*(<!-- end of {name} -->)"
    if not re.search(pattern, page, flags=re.DOTALL):
        raise SystemExit(f"the marks of {name!r} are missing")
    return re.sub(pattern, rf"\1\n{content}\n\n\2", page, flags=re.DOTALL)
