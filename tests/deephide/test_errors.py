import inspect

import pytest

import deephide
import e2style
import stc
from deephide import errors, models, pipeline

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, errors.DeephideError)
]


def subclasses(root):
    return [root] + [each for child in root.__subclasses__() for each in subclasses(child)]


def make(kind):
    if kind is errors.CapacityError:
        return kind("too little room", needed_bits=9, capacity_bits=8, hint="larger")
    if kind is errors.MissingExtraError:
        return kind("the page", "uvicorn", "ui")
    if kind is errors.ExtractionError:
        return kind()
    return kind("it went wrong", hint="do this")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_has_a_plain_message_a_hint_and_its_exit_code(kind):
    error = make(kind)
    assert str(error) == error.message
    assert error.message[0].islower() and not error.message.endswith(".")
    assert "\n" not in error.message
    assert error.hint
    assert f" {kind.exit_code}  " in errors.__doc__.replace("exit\n", "") or kind.exit_code == 1


def test_the_tree_in_the_docstring_names_every_class():
    assert sorted(errors.__all__) == sorted(kind.__name__ for kind in CLASSES)
    for kind in CLASSES:
        assert kind.__name__ in errors.__doc__


def test_exit_codes_are_distinct():
    codes = [kind.exit_code for kind in CLASSES]
    assert len(set(codes)) == len(codes)


def test_builtin_bases_let_ordinary_handlers_work():
    assert issubclass(errors.InputImageError, ValueError)
    assert issubclass(errors.CapacityError, ValueError)
    assert issubclass(errors.OutputError, OSError)


def test_every_error_of_the_coder_is_translated():
    for kind in subclasses(stc.StcError):
        translated = pipeline.from_stc(kind("details"), 100)
        assert isinstance(translated, deephide.DeephideError)
        if issubclass(kind, stc.PayloadTooLargeError):
            assert isinstance(translated, deephide.CapacityError)
            assert translated.needed_bits == 100


def test_every_error_of_the_networks_is_translated():
    for kind in subclasses(e2style.E2StyleError):
        assert isinstance(models.from_e2style(kind("details")), deephide.CheckpointError)
