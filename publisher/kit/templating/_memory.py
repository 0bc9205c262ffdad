"""What macros made before: a story that stands in a hundred variants of an edition is written once.

An imported template is what its source makes of the values that it reads, and a macro makes the same text of the same
arguments, since nothing in the sandbox can change a value that it is given. So what is remembered is what would be made
again. Where that is not certain it is made again: of a template that counts in a `namespace` or imports by a name that
nobody knows before, of values that might change or run out, and of a macro with a `caller`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from jinja2 import Environment, Template, meta, nodes
from jinja2.environment import TemplateModule
from jinja2.runtime import Context, Macro
from jinja2.utils import missing

#: Characters that macros have made that are remembered at most; what each text counts for besides its own.
_CHARACTERS: Final = 8_000_000
_OF_EACH: Final = 500
#: Imported templates that are remembered at most.
_MODULES: Final = 50
#: What filters read of a context without being given it.
_READ_BY_FILTERS: Final = frozenset({"language", "timezone"})
#: What Jinja passes to every call in a loop or block, for functions that ask for it. Macros do not.
_SURROUNDINGS: Final = frozenset({"_loop_vars", "_block_vars"})
_PLAIN: Final = (str, int, float, type(None))


class _Made(NamedTuple):
    """A text, or an imported template, with what it was made of: that is held so that nothing else gets its id."""

    value: Any
    of: object


class _Own(NamedTuple):
    """The names that a template itself reads, and the templates that it refers to."""

    reads: frozenset[str]
    refers: frozenset[str]


class Memory:
    """What was made by templates of one environment, which nobody changes."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._reads: dict[str, tuple[str, ...] | None] = {}
        self._owns: dict[str, _Own | None] = {}
        self._modules: dict[Hashable, _Made] = {}
        self._macros: set[Macro] = set()
        self._texts: dict[Hashable, _Made] = {}
        self._characters = 0

    def module(self, template: Template, context: Context) -> TemplateModule:
        """An imported template, made once of the same values."""
        read = self._read(template, context)
        key = None if read is None else _key(read)
        if key is None:
            return TemplateModule(template, context)
        found = self._modules.get((template, key))
        if found is None:
            module = TemplateModule(template, context)
            if not all(map(_lasts, context.vars.values())):
                return module
            if len(self._modules) >= _MODULES:
                self._forget()
            found = self._modules[template, key] = _Made(module, read)
            self._macros |= {value for value in context.vars.values() if isinstance(value, Macro)}
        return cast(TemplateModule, found.value)

    def text(self, macro: Macro, context: Context, values: tuple[Any, ...], named: Mapping[str, Any]) -> str:
        """What a macro makes of these arguments, called from a template with that context."""
        if macro not in self._macros:
            return cast(str, context.call(macro, *values, **named))
        given = *values, *(part for item in named.items() if item[0] not in _SURROUNDINGS for part in item)
        key = _key(given)
        if key is None:
            return cast(str, context.call(macro, *values, **named))
        place = macro, context.eval_ctx.autoescape, len(values), key
        found = self._texts.get(place)
        if found is None:
            text = cast(str, context.call(macro, *values, **named))
            self._characters += len(text) + _OF_EACH
            if self._characters > _CHARACTERS:
                self._texts.clear()
                self._characters = len(text) + _OF_EACH
            found = self._texts[place] = _Made(text, given)
        return cast(str, found.value)

    def _forget(self) -> None:
        self._modules.clear()
        self._macros.clear()
        self._texts.clear()
        self._characters = 0

    def _read(self, template: Template, context: Context) -> tuple[Any, ...] | None:
        """The values that a template reads, and that others which it refers to read; None when nobody can tell."""
        globals, given = self._environment.globals, context.parent
        if any(given.get(name, value) is not value for name, value in globals.items()):
            return None  # it may read another thing by a name of ours
        names = self._names(template.name or "")
        return None if names is None else tuple(given.get(name, missing) for name in names)

    def _names(self, template: str) -> tuple[str, ...] | None:
        """The names that a template and all that it refers to read, in one order."""
        if template not in self._reads:
            found, waiting = dict[str, _Own | None](), [template]
            while waiting:
                name = waiting.pop()
                if name not in found:
                    own = found[name] = self._own(name)
                    waiting += own.refers if own else ()
            names = _READ_BY_FILTERS.union(*(own.reads for own in found.values() if own))
            self._reads[template] = tuple(sorted(names)) if None not in found.values() else None
        return self._reads[template]

    def _own(self, template: str) -> _Own | None:
        """What one template reads, None where it counts, or refers to whatever a value says."""
        if template not in self._owns:
            loader = self._environment.loader
            assert loader is not None
            tree = self._environment.parse(loader.get_source(self._environment, template)[0], template)
            refers = frozenset(meta.find_referenced_templates(tree))
            certain = None not in refers and not tree.find(nodes.NSRef)
            reads = frozenset(meta.find_undeclared_variables(tree))
            self._owns[template] = _Own(reads, cast(frozenset[str], refers)) if certain else None
        return self._owns[template]


def _key(values: Iterable[Any]) -> tuple[tuple[type, Hashable], ...] | None:
    """What tells values apart, None where one of them may change. 1 is not True here."""
    key: list[tuple[type, Hashable]] = []
    for value in values:
        kind = type(value)
        if issubclass(kind, _PLAIN):
            key.append((kind, value))
        elif kind is tuple:
            if (members := _key(value)) is None:
                return None
            key.append((kind, members))
        elif value is missing or _is_frozen(kind):
            key.append((kind, id(value)))
        else:
            return None
    return tuple(key)


def _is_frozen(kind: type) -> bool:
    """Whether nobody can change such values: those that are made to be shown."""
    return bool(getattr(getattr(kind, "__dataclass_params__", None), "frozen", False))


def _lasts(value: Any) -> bool:
    """Whether a variable of an imported template says the same however often it is read."""
    if isinstance(value, dict):
        return all(map(_lasts, (*value.keys(), *value.values())))
    if isinstance(value, list | tuple):
        return all(map(_lasts, value))
    return isinstance(value, (*_PLAIN, Macro, TemplateModule)) or _is_frozen(type(value))
