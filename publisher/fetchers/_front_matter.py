"""Front matter: the YAML before a text, whose cost and memory stay in proportion to what is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

LONGEST: Final = 65_536  # characters
_LONGEST_NUMBER: Final = 100  # digits
_MERGE: Final = "tag:yaml.org,2002:merge"


def read_front_matter(text: str) -> Mapping[str, object]:
    """What stands between the two lines "---", by name: in small letters, with "_" for "-".

    Raises ValueError, naming the line where there is one.
    """
    if len(text) > LONGEST:
        raise ValueError(f"the front matter has {len(text):,} characters, and may have {LONGEST:,}")
    try:
        found = yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 2}: " if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise ValueError(f"{line}the front matter is no YAML ({problem})") from error
    except (ValueError, RecursionError, OverflowError) as error:
        raise ValueError(f"the front matter cannot be read ({error})") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError("line 2: the front matter is not of the form `name: value`")
    return {str(name).strip().lower().replace("-", "_"): value for name, value in found.items()}


class _Loader(yaml.SafeLoader):
    """Plain values only. Aliases and merges let a few bytes stand for gigabytes, and long numbers take quadratic time;
    "1:30" is no number in sixties, as YAML 1.1 has it, but what an editor wrote."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs' own gap
            raise _refused(event.start_mark, f"*{event.anchor}")
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        for key, _ in node.value:
            if key.tag == _MERGE:
                raise _refused(key.start_mark, "<<")

    def construct_yaml_int(self, node: yaml.ScalarNode) -> Any:
        return str(node.value) if _is_no_number(node) else super().construct_yaml_int(node)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> Any:
        return str(node.value) if _is_no_number(node) else super().construct_yaml_float(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def _is_no_number(node: yaml.ScalarNode) -> bool:
    return ":" in node.value or len(node.value) > _LONGEST_NUMBER


def _refused(mark: yaml.Mark, written: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f"{written} is not followed: write the value itself", problem_mark=mark)
