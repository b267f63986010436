"""No name of the contract collides with another in the code that is generated from it."""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from tests.unit.contract.reserved_words import C_SHARP, GO, JAVA, KOTLIN, RUST, SWIFT, TYPESCRIPT
from tests.unit.contract.test_proto import enums, files, messages

REPEATED: Final = FieldDescriptorProto.LABEL_REPEATED
# What Java, the strictest, declares beside the getter of a field.
SUFFIXES: Final = {
    "enum": ("value",),
    "string": ("bytes",),
    "message": ("builder", "or_builder"),
    "repeated": ("count", "list", "builder_list", "or_builder_list", "value_list"),
    "map": ("map", "count", "or_default", "or_throw"),
}
# Getters of every generated message, without the field's own prefix.
OF_EVERY_MESSAGE: Final = {
    "all_fields",
    "cached_size",
    "class",
    "default_instance",
    "default_instance_for_type",
    "descriptor",
    "descriptor_for_type",
    "initialization_error_string",
    "parser_for_type",
    "serialized_size",
    "unknown_fields",
}
# Types that a generated message would hide, or be hidden by, where they are in scope unasked.
TYPES: Final = {
    "Any", "Array", "Boolean", "Byte", "Class", "Descriptor", "Double", "Enum", "Error", "Float",
    "Function", "Integer", "Iterable", "Long", "Map", "None", "Object", "Option", "Promise",
    "Protocol", "Record", "Result", "Self", "Set", "Short", "Some", "String", "Symbol", "Type",
    "Vec", "Void",
}  # fmt: skip
RUST_UNESCAPED: Final = {"Self", "crate", "self", "super"}
PACKAGE_WORDS: Final = GO | JAVA | C_SHARP | RUST | KOTLIN | set(keyword.kwlist)


def every_message() -> list[tuple[str, DescriptorProto]]:
    """Every message with its package."""
    return [(file.package, message) for file in files() for message in messages(file)]


def camel(name: str) -> str:
    """The name as JSON, TypeScript, Swift and Java write it."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def kinds(field: FieldDescriptorProto, owner: DescriptorProto) -> Iterator[str]:
    """What a field is to a generator."""
    entries = {nested.name for nested in owner.nested_type if nested.options.map_entry}
    if field.label == REPEATED:
        is_map = field.type_name.rpartition(".")[2] in entries
        yield "map" if is_map else "repeated"
    names = {
        FieldDescriptorProto.TYPE_ENUM: "enum",
        FieldDescriptorProto.TYPE_STRING: "string",
        FieldDescriptorProto.TYPE_MESSAGE: "message",
    }
    if field.type in names:
        yield names[field.type]


def getters(message: DescriptorProto) -> Iterator[str]:
    """What is generated for each field and oneof, in camel case."""
    for field in message.field:
        yield camel(field.name)
        for kind in kinds(field, message):
            yield from (camel(f"{field.name}_{suffix}") for suffix in SUFFIXES[kind])
    yield from (camel(f"{oneof.name}_case") for oneof in message.oneof_decl)


def collisions(message: DescriptorProto) -> list[str]:
    """Names that two of a message's fields, or a field and every message, would both take."""
    counted = Counter(getters(message))
    taken = {camel(name) for name in OF_EVERY_MESSAGE}
    return sorted(name for name, times in counted.items() if times > 1 or name in taken)


def test_no_message_declares_a_getter_twice() -> None:
    """`scope_value` beside the enum `scope` gave Java two `getScopeValue`: it did not compile."""
    found = {message.name: collisions(message) for _, message in every_message()}

    assert {} == {name: names for name, names in found.items() if names}


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (FieldDescriptorProto(name="scope", type=FieldDescriptorProto.TYPE_ENUM), "scope_value"),
        (FieldDescriptorProto(name="text", type=FieldDescriptorProto.TYPE_STRING), "text_bytes"),
        (
            FieldDescriptorProto(name="lane", type=FieldDescriptorProto.TYPE_INT64, label=REPEATED),
            "lane_count",
        ),
        (
            FieldDescriptorProto(name="lane", type=FieldDescriptorProto.TYPE_INT64, label=REPEATED),
            "lane_list",
        ),
        (FieldDescriptorProto(name="a_b", type=FieldDescriptorProto.TYPE_INT64), "aB"),
        (
            FieldDescriptorProto(name="other", type=FieldDescriptorProto.TYPE_INT64),
            "serialized_size",
        ),
    ],
)
def test_a_collision_is_found(other: FieldDescriptorProto, name: str) -> None:
    """The walk finds what it was written to find."""
    fields = [other, FieldDescriptorProto(name=name, type=FieldDescriptorProto.TYPE_INT64)]

    assert 1 == len(collisions(DescriptorProto(name="Made", field=fields)))


def short(enum: EnumDescriptorProto) -> list[str]:
    """The values as TypeScript, C#, Rust and Swift write them: without the enum's own name."""
    prefix = "".join(f"_{it}" if it.isupper() else it.upper() for it in enum.name).lstrip("_")
    return [camel(value.name.removeprefix(f"{prefix}_").lower()) for value in enum.value]


def test_the_values_of_an_enum_differ_without_its_name() -> None:
    """Else two values are one constant; and one that starts with a digit is no name at all."""
    repeated = [enum.name for enum in enums() if len(set(short(enum))) < len(enum.value)]
    nameless = [enum.name for enum in enums() if any(it[:1].isdigit() for it in short(enum))]

    assert ([], []) == (repeated, nameless)


def declared(file: FileDescriptorProto) -> Iterator[str]:
    """Every type that a file gives to its package, and what generators add for services."""
    yield from (message.name for message in file.message_type)
    yield from (enum.name for enum in file.enum_type)
    for service in file.service:
        yield service.name
        yield from (f"{service.name}{it}" for it in ("Client", "Server", "Grpc", "Base", "Stub"))


def test_no_type_collides_with_another_of_its_package() -> None:
    """The messages, enums and services of a package share one name space in most languages."""
    counted = Counter((file.package, name.lower()) for file in files() for name in declared(file))

    assert [] == [name for name, times in counted.items() if times > 1]


def test_no_type_has_the_name_of_a_files_outer_class() -> None:
    """Java names a class by each file; C# does so with `Reflection` behind it."""
    outer = {
        (file.package, camel("_" + file.name.rpartition("/")[2].removesuffix(".proto")) + suffix)
        for file in files()
        for suffix in ("OuterClass", "Proto", "Reflection")
    }

    assert set() == outer & {(file.package, name) for file in files() for name in declared(file)}


def test_no_type_hides_one_that_a_language_brings() -> None:
    """A message `Error` or `Map` makes every file that imports it read wrongly."""
    assert [] == sorted(name for file in files() for name in declared(file) if name in TYPES)


def test_no_field_is_a_reserved_word() -> None:
    """As each generator writes it: snake case for Rust, camel case for TypeScript and Swift.

    Go, Java and C# begin a field's accessor with an upper-case letter or a verb; Rust writes `type`
    as `r#type`, which it cannot do for a few words.
    """
    names = {
        (message.name, field.name) for _, message in every_message() for field in message.field
    }
    reserved = RUST_UNESCAPED | set(keyword.kwlist)

    assert [] == sorted(
        (owner, name)
        for owner, name in names
        if name in reserved or camel(name) in TYPESCRIPT | SWIFT | KOTLIN
    )


def test_no_part_of_a_package_is_a_reserved_word() -> None:
    """It would be no package in Java, no module in Rust or Python."""
    parts = {part for file in files() for part in file.package.split(".")}

    assert set() == parts & PACKAGE_WORDS


def test_every_file_names_its_package_for_other_languages() -> None:
    """By one rule from its proto package, so that nobody has to look a name up."""
    for file in files():
        *_, area, version = file.package.split(".")
        options = file.options

        assert (
            "".join(f".{part.capitalize()}" for part in file.package.split("."))[1:],
            f"chenu.api/{area}/{version};{area}{version}",
            True,
            file.package,
        ) == (
            options.csharp_namespace,
            options.go_package,
            options.java_multiple_files,
            options.java_package,
        )


def test_no_file_has_its_class_of_java_named_as_anothers_message() -> None:
    """`tool_call.proto` beside the message `ToolCall` of another file: both were ToolCall.java."""
    declared = {
        (file.package, name): file.name for file in files() for name in declared_names(file)
    }
    found = [
        file.name
        for file in files()
        if declared.get((file.package, outer_class(file)), file.name) != file.name
    ]

    assert [] == found


def declared_names(file: FileDescriptorProto) -> Iterator[str]:
    """What stands at the top of a file."""
    yield from (each.name for each in file.message_type)
    yield from (each.name for each in file.enum_type)
    yield from (each.name for each in file.service)


def outer_class(file: FileDescriptorProto) -> str:
    """What Java calls a file itself; of one with such a message in it, something else."""
    stem = file.name.rpartition("/")[2].removesuffix(".proto")
    return file.options.java_outer_classname or "".join(it.capitalize() for it in stem.split("_"))
