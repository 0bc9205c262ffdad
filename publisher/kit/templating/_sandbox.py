"""Jinja's sandbox, in which nothing lasts long and nothing grows large."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, cast

from jinja2 import Template, Undefined, nodes, pass_eval_context
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, Macro, markup_join, str_join
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from publisher.kit.templating._bounds import bounded_filter, check, check_call, check_operator, small, turns
from publisher.kit.templating._memory import Memory
from publisher.kit.templating._words import Words

_LOOP, _CONCAT = "_turns", "_concat"  # filters that templates are given, not that they write

_KINDS: Final = 1_000  # kinds of values, each with an attribute, whose safety is remembered


class Sandbox(ImmutableSandboxedEnvironment):
    """Every turn of a loop, call, filter and operator of a template is counted against its budget."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self, **options: Any) -> None:
        """Where templates are not looked at again (`auto_reload`), what their macros made is remembered."""
        super().__init__(extensions=["jinja2.ext.i18n"], **options)
        self.memory = None if self.auto_reload else Memory(self)
        self.template_class = _Remembered
        self._safe: dict[tuple[type, str], bool] = {}
        self._fields: dict[type, frozenset[str]] = {}
        del self.filters["random"]
        self.filters = {name: bounded_filter(name, filter) for name, filter in self.filters.items()}
        self.filters |= {_LOOP: turns, _CONCAT: bounded_filter(_CONCAT, _joined)}

    def add_filters(self, **filters: Callable[..., Any]) -> None:
        self.filters |= {name: bounded_filter(name, filter) for name, filter in filters.items()}

    def add_words(self, words: Words) -> None:
        """Gives templates `_("...")`, `ngettext` and `{% trans %}`."""
        self.globals["_"] = words.one
        self.install_gettext_callables(words.one, words.many, newstyle=True)  # type: ignore[attr-defined]
        self.globals["_"] = self.globals["gettext"]

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Jinja's answer, which depends on the kind of value alone, and is asked hundreds of times for a page."""
        asked = type(obj), attr
        answer = self._safe.get(asked)
        if answer is None:
            if len(self._safe) >= _KINDS:
                self._safe.clear()
            answer = self._safe[asked] = super().is_safe_attribute(obj, attr, value)
        return answer

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A mapping's own entry wins over a method of mappings, so `words.copy` is a word."""
        fields = self._fields.get(type(obj))
        if fields is None:
            fields = self._fields[type(obj)] = _fields(type(obj))
        if attribute in fields:
            return getattr(obj, attribute)
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, str):
            check(attribute, (obj,) if attribute.startswith("format") else ())
        return super().getattr(obj, attribute)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as in Jinja
        if isinstance(__obj, Macro) and __self.memory is not None:
            return small(__self.memory.text(__obj, __context, args, kwargs))
        check_call(__obj, (*args, *kwargs.values()))
        return small(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        check_operator(operator, left, right)
        return small(super().call_binop(context, operator, left, right))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Counted(self).visit(super()._parse(source, name, filename))
        return tree


class _Remembered(Template):
    """A template that is imported once of the same values, where its environment remembers."""

    def make_module(
        self, vars: dict[str, Any] | None = None, shared: bool = False, locals: Mapping[str, Any] | None = None
    ) -> TemplateModule:
        memory: Memory | None = self.environment.memory  # type: ignore[attr-defined]
        if memory is None:
            return super().make_module(vars, shared, locals)
        return memory.module(self, self.new_context(vars, shared, locals))


class _Counted(NodeTransformer):
    """What a template says, with its loops and joined strings led through the budget."""

    def __init__(self, environment: Sandbox) -> None:
        self._environment = environment

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named after the node
        self.generic_visit(node)
        makes = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        node.iter = self._filtered(node.iter, _LOOP, nodes.Const(makes))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - named after the node
        self.generic_visit(node)
        return self._filtered(nodes.List(node.nodes).set_lineno(node.lineno), _CONCAT)

    def _filtered(self, node: nodes.Node, name: str, *more: nodes.Expr) -> nodes.Expr:
        made = nodes.Filter(cast(nodes.Expr, node), name, list(more), [], None, None)
        made.set_environment(self._environment)
        made.set_lineno(node.lineno)
        return made


def _fields(kind: type) -> frozenset[str]:
    """What any template may read of a kind of value: the fields of those that were made to be shown and that nobody can
    change. They are asked for hundreds of times on a page."""
    if not is_dataclass(kind) or not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return frozenset()
    return frozenset(field.name for field in fields(kind) if not field.name.startswith("_"))


@pass_eval_context
def _joined(context: EvalContext, values: list[Any]) -> str:
    return markup_join(values) if context.autoescape else str_join(values)


def shown(value: Any) -> Any:
    """What `{{ value }}` writes: anything but a function, which somebody forgot to call."""
    if not isinstance(value, str) and callable(value) and not isinstance(value, Undefined):
        raise SecurityError(f"{getattr(value, '__name__', 'this')} is a function; call it with ()")
    return small(value)
