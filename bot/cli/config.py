"""`inquest config`: every setting, its variable, its value here and what it does."""

from __future__ import annotations

from pydantic import AliasChoices, SecretStr

from bot.settings import Settings


def variable(name: str) -> str:
    """The environment variable of a setting; the outside world's name when there is one."""
    alias = Settings.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        names = [str(choice) for choice in alias.choices]
        return " or ".join(dict.fromkeys(names))
    return f"INQUEST_{name.upper()}"


def show(settings: Settings) -> None:
    """One block a setting."""
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        shown = "(set)" if isinstance(value, SecretStr) else "(not set)" if value is None else str(value)
        print(f"{variable(name)} = {shown}\n    {field.description}")
