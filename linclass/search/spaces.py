"""Search spaces: which values the fields of an experiment may take.

    mode    written            drawn, u uniform in [0, 1)                      in a grid
    log     log:1e-5:1e-3      exp(ln low + u (ln high - ln low))              log:1e-5:1e-3:5, five values
    float   float:0:0.5        low + u (high - low)                            float:0:0.5:6
    int     int:150:400        low + floor(u (high - low + 1)), both included  int:150:400:3
    item    relu,leaky-relu    one of them                                     each of them

In Python and JSON: name -> (values, mode), such as `"eta": ([1e-5, 1e-3], "log")`; or name -> items.
A drawn number is rounded to four digits, so that no machine's last bit of `exp` can show in it.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linclass.errors import UsageError
from linclass.settings import Experiment, check_value, option_names

MODES = ("log", "int", "float", "item")
LAYERS = "layers"
"""Not a field: the affine layers of an MLP, whose `hidden` is then one width, repeated layers - 1 times;
with one layer it is the linear model."""

_FIELDS = {field.name: field for field in dataclasses.fields(Experiment)}
NAMES = {
    **{
        name.lstrip("-").replace("-", "_"): field.name
        for field in _FIELDS.values()
        for name in option_names(field)
    },
    **{name: name for name in _FIELDS},
    # what courses call them
    "reg": "l2",
    "learning_rate": "eta",
    "hidden_size": "hidden",
    "num_layer": LAYERS,
    LAYERS: LAYERS,
}
"""What a dimension may be called -> the field it is."""


@dataclass(frozen=True)
class Dimension:
    """One field's values.

    Attributes:
        field: of Experiment, or LAYERS.
        mode: one of MODES.
        values: (low, high), or with mode "item" all of them.
    """

    field: str
    mode: str
    values: tuple[Any, ...]

    def at(self, u: float) -> Any:
        """The value at `u` in [0, 1); see the module's table."""
        if self.mode == "item":
            return self.values[int(u * len(self.values))]
        low, high = self.values
        if self.mode == "int":
            return self.typed(low + int(u * (high - low + 1)))
        drawn = low + u * (high - low)
        if self.mode == "log":
            drawn = math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
        return self.rounded(drawn)

    def spread(self, count: int) -> Dimension:
        """`count` values at equal distances, both ends included, as items."""
        low, high = self.values
        parts = [i / (count - 1) for i in range(count)]
        if self.mode == "int":
            values = [self.typed(round(low + part * (high - low))) for part in parts]
        else:
            values = [self.at(part) for part in parts]
        return Dimension(self.field, "item", tuple(dict.fromkeys(values)))

    def narrowed(self, best: Any, original: Dimension) -> Dimension:
        """A quarter of the range around `best`, moved to lie within `original`; of items the best alone.

        The quarter is of the logarithms for "log"; of whole numbers at least one to each side is kept.
        """
        if self.mode == "item":
            return dataclasses.replace(self, values=(best,))
        low, high, best = (self._position(value) for value in (*self.values, best))
        first, last = (original._position(value) for value in original.values)
        half = (high - low) / 8
        if self.mode == "int":
            half = max(1.0, half)
        start = max(first, min(best - half, last - 2 * half))
        lowest, highest = original.values
        ends = (self._value(position) for position in (start, start + 2 * half))
        return dataclasses.replace(self, values=tuple(min(max(end, lowest), highest) for end in ends))

    def _position(self, value: Any) -> float:
        return math.log(value) if self.mode == "log" else float(value)

    def _value(self, position: float) -> Any:
        if self.mode == "int":
            return round(position)
        return float(f"{math.exp(position) if self.mode == 'log' else position:.4g}")

    def rounded(self, value: float) -> float:
        """To four digits, within the range."""
        low, high = self.values
        return float(min(max(float(f"{value:.4g}"), low), high))

    def typed(self, number: int) -> Any:
        """A whole number as the field wants it: `hidden` is a text."""
        return str(number) if self.field == "hidden" else number

    def to_json(self) -> list[Any]:
        """[values, mode]."""
        return [list(self.values), self.mode]


def dimension(name: str, spec: Any) -> Dimension:
    """The dimension that Python or JSON gives: (values, mode), or a list of items.

    Raises UsageError for an unknown field, an unknown mode, an empty or reversed range, or a value that the
    field cannot have.
    """
    field = _field_named(name)
    is_pair = isinstance(spec, (list, tuple)) and len(spec) == 2 and isinstance(spec[0], (list, tuple))
    values, mode = spec if is_pair else (spec, "item")
    if mode not in MODES:
        raise _refused(name, f"mode {mode!r}: expected one of {', '.join(MODES)}")
    if not isinstance(values, (list, tuple)) or not values:
        raise _refused(name, f"{values!r}: expected at least one value, such as [1, 2]")
    found = Dimension(field, mode, tuple(values))
    if mode == "item":
        found = dataclasses.replace(found, values=tuple(_item(field, value) for value in values))
        if len(set(found.values)) < len(found.values):
            raise _refused(name, f"{_shown(values)}: a value is there twice")
    else:
        _check_range(name, found)
    for value in found.values:
        _check_fits(found, value)
    return found


def parse(text: str, *, grid: bool = False) -> Dimension:
    """The dimension in `name=log:1e-5:1e-3` or `name=relu,leaky-relu`; see the module's table.

    Items are separated by commas, or by `|` where they hold commas: `hidden=256,128|128,64`.
    """
    name, equals, rest = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r}: expected NAME=VALUES, such as lr=log:1e-5:1e-3 or activation=relu,tanh")
    field, (mode, *words) = _field_named(name), rest.split(":")
    if mode not in MODES[:3]:
        if mode == "item":
            rest = rest.removeprefix("item:")
        elif _looks_like_a_mode(mode, words):
            raise _refused(name, f"mode {mode!r}: expected one of {', '.join(MODES)}")
        items = [word for word in rest.split("|" if "|" in rest else ",") if word]
        return dimension(name, [_from_text(field, item) for item in items])
    if len(words) != (3 if grid else 2):
        form = f"{name}={mode}:LOW:HIGH" + (":COUNT" if grid else "")
        raise _refused(name, f"{rest!r}: expected {form}" + (" in a grid" if grid else ""))
    numbers = [_number(name, word) for word in words]
    found = dimension(name, (numbers[:2], mode))
    if not grid:
        return found
    if numbers[2] != int(numbers[2]) or not 2 <= numbers[2] <= 1000:
        raise _refused(name, f"COUNT is {words[2]}: expected a whole number from 2 to 1000")
    return found.spread(int(numbers[2]))


@dataclass(frozen=True)
class Space:
    """What is searched: dimensions drawn at random, and dimensions of which every value is tried."""

    random: tuple[Dimension, ...] = ()
    grid: tuple[Dimension, ...] = ()

    def __post_init__(self) -> None:
        names = [dim.field for dim in (*self.random, *self.grid)]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"{name} is searched twice: leave one of them out")
        if any(dim.mode != "item" for dim in self.grid):
            raise UsageError(f"a grid is of lists of values: give {self.grid[0].field} as a list")
        if not names:
            raise UsageError("nothing to search: expected a space, such as --random lr=log:1e-5:1e-3")

    @property
    def fields(self) -> tuple[str, ...]:
        """What varies, random dimensions first."""
        return tuple(dim.field for dim in (*self.random, *self.grid))

    def first_values(self) -> dict[str, Any]:
        """A value for every searched field: its first or lowest one."""
        dims = (dim for dim in (*self.random, *self.grid) if dim.field != LAYERS)
        return {dim.field: dim.at(0.0) for dim in dims}

    def grid_points(self) -> list[dict[str, Any]]:
        """Every combination of the grid's values, the last dimension fastest; without a grid an empty one."""
        names = [dim.field for dim in self.grid]
        values = itertools.product(*(dim.values for dim in self.grid))
        return [dict(zip(names, point, strict=True)) for point in values]

    def narrowed(self, best: Mapping[str, Any], original: Space) -> Space:
        """Around the best trial's values; see `Dimension.narrowed`."""

        def around(dims: Sequence[Dimension], first: Sequence[Dimension]) -> tuple[Dimension, ...]:
            return tuple(d.narrowed(best[d.field], o) for d, o in zip(dims, first, strict=True))

        return Space(around(self.random, original.random), around(self.grid, original.grid))

    def to_json(self) -> dict[str, Any]:
        """{"random": {name: [values, mode]}, "grid": {name: values}}."""
        return {
            "random": {dim.field: dim.to_json() for dim in self.random},
            "grid": {dim.field: list(dim.values) for dim in self.grid},
        }


def space(random: Mapping[str, Any] | None = None, grid: Mapping[str, Sequence[Any]] | None = None) -> Space:
    """The space of these dimensions, as in the module's docstring. Raises UsageError."""
    return Space(
        tuple(dimension(name, spec) for name, spec in (random or {}).items()),
        tuple(dimension(name, list(values)) for name, values in (grid or {}).items()),
    )


def apply(base: Experiment, values: Mapping[str, Any]) -> Experiment:
    """`base` with a trial's values. Raises UsageError where they do not go together."""
    changes = dict(values)
    layers = changes.pop(LAYERS, None)
    if layers == 1:
        if changes.get("model", base.model) == "torch-mlp":
            raise UsageError(
                "layers is 1: --model torch-mlp has at least 2; try --model mlp, which then is linear"
            )
        # an MLP without hidden layers is the linear model, and has nothing to drop or to normalise
        changes |= {"model": "linear", "hidden": "", "dropout": 0.0, "batch_norm": False}
    elif layers is not None:
        width = str(changes.get("hidden", base.hidden))
        if not width.isdecimal():
            raise UsageError(f"layers is {layers}: expected --hidden with one width to repeat, not {width!r}")
        changes["hidden"] = ",".join([width] * (layers - 1))
    return base.replace(**changes)


def _field_named(name: str) -> str:
    key = name.lstrip("-").replace("-", "_")
    if key not in NAMES:
        close = difflib.get_close_matches(key, NAMES, 1)
        hint = f"did you mean {close[0]}?" if close else "expected the name of an option of `linclass train`"
        raise UsageError(f"{name} is not a field of an experiment; {hint}")
    return NAMES[key]


def _check_range(name: str, dim: Dimension) -> None:
    kind = int if dim.field in ("hidden", LAYERS) else _FIELDS[dim.field].metadata["kind"]
    if kind not in (int, float) or (kind is int and dim.mode != "int"):
        fitting = "int or item" if kind is int else "item"
        raise _refused(name, f"mode {dim.mode!r} does not fit this field: expected {fitting}")
    if len(dim.values) != 2:
        raise _refused(name, f"{_shown(dim.values)}: expected two numbers, the lowest and the highest")
    for value in dim.values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise _refused(name, f"{value!r}: expected a finite number")
        if dim.mode == "int" and value != int(value):
            raise _refused(name, f"{value!r}: expected a whole number with mode int")
    low, high = dim.values
    if dim.mode == "log" and low <= 0:
        raise _refused(name, f"the lowest value is {low:g}: the logarithm needs a number above 0")
    if low > high:
        raise _refused(name, f"{low:g} to {high:g} is reversed: expected {high:g} to {low:g}")
    if low == high:
        raise _refused(name, f"{low:g} to {high:g} is empty: expected two different numbers")
    if dim.mode == "int":
        object.__setattr__(dim, "values", (int(low), int(high)))


def _check_fits(dim: Dimension, value: Any) -> None:
    """The field's own check, whatever the other fields are."""
    if dim.field == LAYERS:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"layers is {value!r}: expected a whole number of at least 1")
        return
    check_value(dim.field, dim.typed(value) if dim.mode == "int" else value)
    if dim.field == "hidden":
        words = str(value).split(",") if value != "" else []
        if not all(word.isdecimal() and int(word) for word in words):
            raise UsageError(f"--hidden is {value!r}: expected widths such as 256,128,64")


def _item(field: str, value: Any) -> Any:
    """`hidden` may be given as a number or as a list of widths."""
    if field != "hidden" or isinstance(value, str):
        return value
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _from_text(field: str, word: str) -> Any:
    kind = int if field == LAYERS else _FIELDS[field].metadata["kind"]
    if kind is bool:
        return {"true": True, "on": True, "false": False, "off": False}.get(word.lower(), word)
    if kind in (int, float):
        for reader in (int, float):
            try:
                return reader(word)
            except ValueError:
                continue
    return word


def _number(name: str, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        raise _refused(name, f"{word!r}: expected a number") from None
    return int(number) if number.is_integer() and word.lstrip("+-").isdecimal() else number


def _looks_like_a_mode(word: str, rest: Sequence[str]) -> bool:
    """`lag:1:2` is a mistyped mode; `step:10:0.5`, a schedule, is an item."""
    from linclass.training.schedules import FORMS

    return len(rest) >= 2 and word not in (*FORMS, "warmup") and word.isalpha()


def _shown(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def _refused(name: str, reason: str) -> UsageError:
    return UsageError(f"the space of {name}: {reason}")
