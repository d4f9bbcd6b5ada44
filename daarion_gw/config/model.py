"""What all settings are made of: the base model, and values that are written with a unit.

Durations are seconds, sizes are bytes. A setting that is written with a unit takes the written
form too: ``Timeouts(connect="5s")``.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from daarion_gw.config import units

Network = IPv4Network | IPv6Network
Duration = Annotated[float, BeforeValidator(units.duration)]
OptionalDuration = Annotated[float | None, BeforeValidator(units.optional_duration)]
Size = Annotated[int, BeforeValidator(units.size)]
OptionalSize = Annotated[int | None, BeforeValidator(units.optional_size)]
Switch = Annotated[bool, BeforeValidator(units.switch)]
Share = Annotated[float, BeforeValidator(units.share)]
Count = Annotated[int, BeforeValidator(units.count)]
OptionalCount = Annotated[int | None, BeforeValidator(units.optional_count)]


class Model(BaseModel):
    """What all settings share: they never change, and a name that is not theirs is a mistake."""

    # An input may be a secret out of the environment: pydantic is never to repeat one.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
