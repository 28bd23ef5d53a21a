"""Lists in a resource: how many entries, and how Kubernetes' server-side apply merges them."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Listed:
    """Marks a tuple of at most ``most`` entries that is merged as ``kind``; a map by its entries' ``key``."""

    kind: Literal["atomic", "set", "map"]
    most: int
    key: str = "name"

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        keys = {"x-kubernetes-list-map-keys": [self.key]} if self.kind == "map" else {}
        return {**handler(schema), "maxItems": self.most, "x-kubernetes-list-type": self.kind, **keys}

    def _checked(self, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(entries) > self.most:
            message = f"at most {self.most} entries, got {len(entries)}: leave out what matters least"
            raise ValueError(message)
        names = [getattr(entry, self.key) if self.kind == "map" else entry for entry in entries]
        for name, count in Counter(names).items() if self.kind != "atomic" else ():
            if count > 1:
                message = f"{name!r} is there {count} times: keep one of them"
                raise ValueError(message)
        return entries
