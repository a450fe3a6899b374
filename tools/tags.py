# SPDX-License-Identifier: MIT
"""Which test carries which tag: "word: id, id" in a comment.

In C the comment stands above the test function, in a fuzz target anywhere. In Python it stands above a test or in it,
or in the table or generator above a test that makes its cases.
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
C_FUNCTION = re.compile(r"^static void (\w+)\(void \*\*", re.MULTILINE)
FUZZ_FUNCTION = re.compile(r"^int (LLVMFuzzerTestOneInput)\(", re.MULTILINE)
PYTHON_TEST = re.compile(r"(?:async )?def (test\w*)\(")


def ids(text):
    return [word for word in re.split(r"[\s,*]+", text) if word]


def c_tags(word, text, function=C_FUNCTION):
    for tag in re.finditer(rf"/\*(?:(?!\*/).)*?\b{word}:((?:(?!\*/).)*)\*/", text, re.DOTALL):
        test = function.search(text, tag.end())
        for name in ids(tag.group(1)):
            yield name, test.group(1) if test else None, text.count("\n", 0, tag.start()) + 1


def fuzz_tags(word, text):
    return c_tags(word, text, FUZZ_FUNCTION)


def is_outermost(line):
    return line[:1] not in ("", " ", "#", ")", "]", "}", "@")


def python_test_of(lines, at):
    """The test that line at is in, else the next one."""
    if lines[at].startswith(" "):
        around = next((line for line in reversed(lines[:at]) if is_outermost(line)), "")
        match = PYTHON_TEST.match(around)
        if match:
            return match.group(1)
    below = (PYTHON_TEST.match(line) for line in lines[at:])
    return next((match.group(1) for match in below if match), None)


def python_tags(word, text):
    lines = text.splitlines()
    for at, line in enumerate(lines):
        tag = re.search(rf"#\s*{word}:\s*([\w, -]+)", line)
        for name in ids(tag.group(1)) if tag else []:
            yield name, python_test_of(lines, at), at + 1


def find_tests(word, known, table):
    """{id: [test]} and what is wrong with the tags; the ids stand in table."""
    tests, wrong = {}, []
    sources = [(path, c_tags) for path in sorted((ROOT / "tests" / "unit").rglob("*.c"))]
    sources += [(path, fuzz_tags) for path in sorted((ROOT / "fuzz").glob("*.c"))]
    sources += [(path, python_tags) for path in sorted((ROOT / "tests" / "e2e").rglob("*.py"))]
    for path, tags in sources:
        place = path.relative_to(ROOT)
        for name, test, line in tags(word, path.read_text()):
            if name not in known:
                wrong.append(f"{place}:{line}: {name} is no item of {table}")
            elif test is None:
                wrong.append(f"{place}:{line}: the tag belongs to no test")
            else:
                tests.setdefault(name, []).append(f"{place}: {test}")
    return tests, wrong
