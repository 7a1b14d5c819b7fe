#!/usr/bin/env python3
"""Every endpoint of the registry, row by row: what is sent, which status, error code and body come back.

The rows follow Confluent's interface (docs/registry.md) and depend on those before them.  Each block begins with an
empty registry of its own.  Wants AVROGATE and AVROGATE_TEST_KAFKA; skipped (77) without them.
"""
import json
import os
import sys
import time
import urllib.error
import urllib.request

import registry_test
from registry_test import Registry, check

INT, LONG, STRING = ({"schema": json.dumps(t)} for t in ("int", "long", "string"))
R = lambda *fields: json.dumps({"type": "record", "name": "R", "fields": list(fields)})
F = lambda name, **more: dict(name=name, type="int", **more)
R1, R2, R3 = ({"schema": s} for s in (R(F("a")), R(F("a"), F("b", default=0)), R(F("a"), F("c"))))
RULES = {"domainRules": [{"name": "r", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "expr": "true"}]}
OWNER = lambda name: {"properties": {"owner": name}}
ANY = object()  # any body


class Has:
    """A body with at least these members."""
    def __init__(self, **members):
        self.members = members

    def __eq__(self, body):
        return isinstance(body, dict) and all(body.get(k) == v for k, v in self.members.items())

    def __repr__(self):
        return "has %r" % self.members


def version(subject, number, id, schema, **more):
    return dict(subject=subject, version=number, id=id, schema=json.loads(json.dumps(schema["schema"])), **more)


TINT = {"schema": '"int"'}
NEW = {"Confluent-Accept-Unknown-Properties": "true"}
GUID_INT = "ef524ea1-b91e-7317-3d93-8ade36c1db32"
# The vector of Confluent's own tests, docs/registry.md.
VECTOR = {"schema": '{"type":"record","name":"myrecord","fields":[{"type":"string","default":null,"name":"f"}]}'}

ANY_RULES = Has(domainRules=[{"name": "r", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "expr": "true", "disabled": False}])
TAG = lambda path, *tags: {"schemaEntity": {"entityPath": path, "entityType": "sr_field" if "." in path else "sr_record"}, "tags": list(tags)}
OUT_TEXT = '{"type":"array","items":{"type":"record","name":"M","namespace":"x","fields":[{"name":"i","type":{"type":"record","name":"I","fields":[]}}]}}'
OUT = json.loads(OUT_TEXT)

BLOCKS = {
    "the server": [
        ("GET", "/", None, 200, {}),
        ("POST", "/", {}, 200, {}),
        ("GET", "/schemas/types", None, 200, ["AVRO"]),
        ("GET", "/contexts", None, 200, ["."]),
        ("GET", "/v1/metadata/id", None, 200, Has(id="")),
        ("GET", "/v1/metadata/version", None, 200, ANY),
        ("GET", "/v1/metadata/deployment", None, 200, {"attributes": []}),
        ("GET", "/healthz", None, 200, ANY),
        ("GET", "/readyz", None, 200, Has(status="ready")),
        ("GET", "/nowhere", None, 404, 404),
        ("PUT", "/subjects", {}, 405, 405),
        ("GET", "/exporters", None, 404, 404),
    ],
    "registering and reading": [
        ("GET", "/subjects", None, 200, []),
        ("POST", "/subjects/s/versions", INT, 200, {"id": 1}),
        ("POST", "/subjects/s/versions", INT, 200, {"id": 1}),
        ("POST", "/subjects/s/versions", LONG, 200, {"id": 2}),
        ("POST", "/subjects/s/versions", STRING, 409, 409),
        ("POST", "/subjects/s/versions?force=true", STRING, 200, {"id": 3}),
        ("POST", "/subjects/t%2F1/versions", INT, 200, {"id": 1}),
        ("POST", "/subjects/none/versions", {"schema": ""}, 422, 42201),
        ("POST", "/subjects/none/versions", {}, 422, 42201),
        ("POST", "/subjects/s/versions", {"schema": "{\"type\":\"recor\"}"}, 422, 42201),
        ("POST", "/subjects/s/versions", {"schema": "{}", "schemaType": "JSON"}, 422, 42201),
        ("POST", "/subjects/s/versions", {"schema": "x", "schemaType": "PROTOBUF"}, 422, 42201),
        ("POST", "/subjects/s/versions", {**INT, "references": [{"name": "x", "subject": "none", "version": 1}]}, 422, 42201),
        ("POST", "/subjects/s/versions", {"schema": '"bytes"', "version": 9}, 422, ANY),
        ("POST", "/subjects/s/versions", {"schema": '"bytes"', "id": 9}, 422, 42205),
        ("POST", "/subjects/s/versions", {**INT, "id": 9}, 422, 42207),
        ("POST", "/subjects/__GLOBAL/versions", INT, 422, 42208),
        ("POST", "/subjects/s/versions", {"schema": '"bytes"', "ruleSet": {"domainRules": [{"name": "1"}]}}, 422, 42210),
        ("GET", "/subjects", None, 200, ["s", "t/1"]),
        ("GET", "/subjects?subjectPrefix=t", None, 200, ["t/1"]),
        ("GET", "/subjects?offset=1&limit=5", None, 200, ["t/1"]),
        ("GET", "/subjects?limit=1", None, 200, ["s"]),
        ("GET", "/subjects/s/versions", None, 200, [1, 2, 3]),
        ("GET", "/subjects/s/versions?offset=1&limit=1", None, 200, [2]),
        ("GET", "/subjects/none/versions", None, 404, 40401),
        ("GET", "/subjects/s/versions/1", None, 200, version("s", 1, 1, INT)),
        ("GET", "/subjects/s/versions/latest", None, 200, version("s", 3, 3, STRING)),
        ("GET", "/subjects/s/versions/-1", None, 200, version("s", 3, 3, STRING)),
        ("GET", "/subjects/s/versions/4", None, 404, 40402),
        ("GET", "/subjects/s/versions/0", None, 422, 42202),
        ("GET", "/subjects/s/versions/2147483648", None, 422, 42202),
        ("GET", "/subjects/s/versions/x", None, 422, 42202),
        ("GET", "/subjects/none/versions/1", None, 404, 40401),
        ("GET", "/subjects/s/versions/1/schema", None, 200, "int"),
        ("GET", "/subjects/s/versions/9/schema", None, 404, 40402),
        ("GET", "/subjects/none/versions/9/schema", None, 404, 40401),
        ("GET", "/subjects/s/versions/x/schema", None, 422, 42202),
        ("POST", "/subjects/s", LONG, 200, version("s", 2, 2, LONG)),
        ("POST", "/subjects/s", {"schema": '"bytes"'}, 404, 40403),
        ("POST", "/subjects/none", INT, 404, 40401),
        ("POST", "/subjects/s", {"schema": "nonsense"}, 422, 42201),
        ("GET", "/schemas/ids/1", None, 200, INT),
        ("GET", "/schemas/ids/1?fetchMaxId=true", None, 200, {**INT, "maxId": 3}),
        ("GET", "/schemas/ids/1/schema", None, 200, "int"),
        ("GET", "/schemas/ids/1/subjects", None, 200, ["s", "t/1"]),
        ("GET", "/schemas/ids/1/subjects?offset=1", None, 200, ["t/1"]),
        ("GET", "/schemas/ids/1/versions", None, 200, [{"subject": "s", "version": 1}, {"subject": "t/1", "version": 1}]),
        ("GET", "/schemas/ids/1/versions?subject=s", None, 200, [{"subject": "s", "version": 1}]),
        ("GET", "/schemas/ids/99", None, 404, 40403),
        ("GET", "/schemas/ids/99/schema", None, 404, 40403),
        ("GET", "/schemas/ids/99/subjects", None, 404, 40403),
        ("GET", "/schemas/ids/99/versions", None, 404, 40403),
        ("GET", "/schemas/ids/x", None, 404, 404),
        ("GET", f"/schemas/guids/{GUID_INT}", None, 200, Has(schema='"int"', guid=GUID_INT)),
        ("GET", f"/schemas/guids/{GUID_INT}/ids", None, 200, [{"context": ".", "id": 1}]),
        ("GET", "/schemas/guids/00000000-0000-0000-0000-000000000000", None, 404, 40403),
        ("GET", "/schemas/guids/nonsense/ids", None, 404, 40403),
        ("GET", "/schemas?subjectPrefix=t", None, 200, [version("t/1", 1, 1, INT)]),
        ("GET", "/schemas?latestOnly=true", None, 200, [version("s", 3, 3, STRING), version("t/1", 1, 1, INT)]),
        ("GET", "/schemas?limit=1&offset=1", None, 200, [version("s", 2, 2, LONG)]),
        ("GET", "/schemas/ids/1", None, 200, Has(guid=GUID_INT, schemaType="AVRO", subject="s", version=1), NEW),
        ("GET", "/subjects/s/versions/1", None, 200, Has(guid=GUID_INT, schemaType="AVRO", deleted=False), NEW),
        ("POST", "/subjects/s/versions", INT, 200, Has(id=1, version=1, guid=GUID_INT, schema='"int"'), NEW),
    ],
    "identity": [
        ("POST", "/subjects/s/versions", {"schema": ' { "type" : "int" } '}, 200, {"id": 1}),
        ("GET", "/schemas/ids/1/schema", None, 200, "int"),
        ("POST", "/subjects/a/versions", {"schema": '{"type":"string","x":1,"y":2}'}, 200, {"id": 2}),
        ("POST", "/subjects/a/versions", {"schema": '{"type":"string","y":2,"x":1}'}, 200, {"id": 2}),
        ("POST", "/subjects/b/versions", {"schema": '{"type":"string","y":2,"x":1}'}, 200, {"id": 3}),
        ("POST", "/subjects/c/versions?normalize=true", {"schema": '{"type":"string","y":2,"x":1}'}, 200, {"id": 2}),
        ("PUT", "/config/d", {"normalize": True}, 200, {"normalize": True}),
        ("POST", "/subjects/d/versions", {"schema": '{"type":"string","y":2,"x":1}'}, 200, {"id": 2}),
        ("POST", "/subjects/v/versions", VECTOR, 422, 42201),
        ("POST", "/subjects/r1/versions", {"schema": R(F("a", doc="x"))}, 200, {"id": 4}),
        ("POST", "/subjects/r1/versions", {"schema": R(F("a", doc="y"))}, 200, {"id": 5}),
    ],
    "references": [
        ("POST", "/subjects/inner/versions", {"schema": '{"type":"record","name":"x.I","fields":[]}'}, 200, {"id": 1}),
        ("POST", "/subjects/outer/versions", {"schema": '{"type":"array","items":"x.I"}', "references": [
            {"name": "x.I", "subject": "inner", "version": 1}]}, 200, {"id": 2}),
        ("GET", "/subjects/outer/versions/1", None, 200, {
            "subject": "outer", "version": 1, "id": 2, "references": [{"name": "x.I", "subject": "inner", "version": 1}],
            "schema": '{"type":"array","items":"x.I"}'}),
        ("GET", "/subjects/inner/versions/1/referencedby", None, 200, [2]),
        ("GET", "/subjects/inner/versions/latest/referencedby?limit=0", None, 200, []),
        ("GET", "/subjects/none/versions/1/referencedby", None, 404, 40401),
        ("GET", "/subjects/inner/versions/7/referencedby", None, 404, 40402),
        ("GET", "/subjects/inner/versions/x/referencedby", None, 422, 42202),
        ("DELETE", "/subjects/inner/versions/1", None, 422, 42206),
        ("DELETE", "/subjects/inner", None, 422, 42206),
        ("DELETE", "/subjects/outer", None, 200, [1]),
        ("GET", "/subjects/inner/versions/1/referencedby", None, 200, []),
        ("GET", "/subjects/inner/versions/1/referencedby?deleted=true", None, 200, [2]),
        ("DELETE", "/subjects/outer?permanent=true", None, 200, [1]),
        ("DELETE", "/subjects/inner", None, 200, [1]),
    ],
    "deleting": [
        ("POST", "/subjects/s/versions", R1, 200, {"id": 1}),
        ("POST", "/subjects/s/versions", R2, 200, {"id": 2}),
        ("DELETE", "/subjects/none", None, 404, 40401),
        ("DELETE", "/subjects/none/versions/1", None, 404, 40401),
        ("DELETE", "/subjects/s/versions/9", None, 404, 40402),
        ("DELETE", "/subjects/s/versions/x", None, 422, 42202),
        ("DELETE", "/subjects/s?permanent=true", None, 404, 40405),
        ("DELETE", "/subjects/s/versions/1?permanent=true", None, 404, 40407),
        ("DELETE", "/subjects/s/versions/1", None, 200, 1),
        ("DELETE", "/subjects/s/versions/1", None, 404, 40406),
        ("GET", "/subjects/s/versions", None, 200, [2]),
        ("GET", "/subjects/s/versions?deleted=true", None, 200, [1, 2]),
        ("GET", "/subjects/s/versions?deletedOnly=true", None, 200, [1]),
        ("GET", "/subjects/s/versions?deletedAsNegative=true", None, 200, [-1, 2]),
        ("GET", "/subjects/s/versions/1", None, 404, 40402),
        ("GET", "/subjects/s/versions/1?deleted=true", None, 200, Has(version=1)),
        ("GET", "/schemas/ids/1", None, 200, ANY),
        ("GET", "/schemas?deleted=true&limit=1", None, 200, ANY),
        ("GET", "/schemas/ids/1/subjects", None, 200, []),
        ("GET", "/schemas/ids/1/subjects?deleted=true", None, 200, ["s"]),
        ("POST", "/subjects/s", R1, 404, 40403),
        ("POST", "/subjects/s?deleted=true", R1, 200, Has(version=1)),
        ("POST", "/subjects/s/versions?force=true", R1, 200, {"id": 1}),
        ("GET", "/subjects/s/versions?deleted=true", None, 200, [2, 3]),
        ("PUT", "/config/s", {"compatibility": "NONE"}, 200, ANY),
        ("DELETE", "/subjects/s", None, 200, [2, 3]),
        ("DELETE", "/subjects/s", None, 404, 40404),
        ("GET", "/subjects/s/versions", None, 404, 40401),
        ("GET", "/subjects?deleted=true", None, 200, ["s"]),
        ("GET", "/subjects?deletedOnly=true&deleted=false", None, 200, ["s"]),
        ("GET", "/config/s", None, 200, {"compatibilityLevel": "NONE"}),
        ("DELETE", "/subjects/s/versions/2?permanent=true", None, 200, 2),
        ("GET", "/schemas/ids/2", None, 404, 40403),
        ("DELETE", "/subjects/s?permanent=true", None, 200, [3]),
        ("GET", "/config/s", None, 404, 40408),
        ("DELETE", "/subjects/s?permanent=true", None, 404, 40401),
        ("POST", "/subjects/s/versions", R3, 200, {"id": 3}),
        ("GET", "/subjects/s/versions", None, 200, [1]),
    ],
    "compatibility": [
        ("POST", "/compatibility/subjects/s/versions/latest", INT, 200, {"is_compatible": True}),
        ("POST", "/compatibility/subjects/s/versions", INT, 200, {"is_compatible": True}),
        ("POST", "/compatibility/subjects/s/versions/1", INT, 404, 40402),
        ("POST", "/subjects/s/versions", R1, 200, {"id": 1}),
        ("POST", "/subjects/s/versions", R2, 200, {"id": 2}),
        ("POST", "/compatibility/subjects/s/versions/latest", R1, 200, {"is_compatible": True}),
        ("POST", "/compatibility/subjects/s/versions/latest", R3, 200, {"is_compatible": False}),
        ("POST", "/compatibility/subjects/s/versions/2?verbose=true", R1, 200, {"is_compatible": True, "messages": []}),
        ("POST", "/compatibility/subjects/s/versions?verbose=true", R3, 200, Has(is_compatible=False)),
        ("POST", "/compatibility/subjects/s/versions/2?explain=true", R1, 200, {"is_compatible": True, "explanation": []}),
        ("POST", "/compatibility/subjects/s/versions?explain=true", R3, 200, {"is_compatible": False, "explanation": [{
            "version": 2, "direction": "BACKWARD", "rule": "READER_FIELD_MISSING_DEFAULT_VALUE", "newPointer": "/fields/1",
            "new": {"name": "c", "type": "int"}, "change": 'give the field "c" a "default"',
            "why": 'field "c" of the reader\'s record R has no default, and the writer has no such field'}]}),
        ("POST", "/compatibility/subjects/s/versions", {"schema": "x"}, 422, 42201),
        ("POST", "/compatibility/subjects/s/versions?verbose=true", {"schema": "x"}, 200, Has(is_compatible=False)),
        ("POST", "/compatibility/subjects/s/versions/0", R1, 422, 42202),
        ("POST", "/compatibility/subjects/s/versions/x", R1, 422, 42202),
        ("PUT", "/config/s", {"compatibility": "FORWARD_TRANSITIVE"}, 200, {"compatibility": "FORWARD_TRANSITIVE"}),
        ("POST", "/compatibility/subjects/s/versions", {"schema": R()}, 200, {"is_compatible": False}),
        ("PUT", "/config/s", {"compatibility": "NONE"}, 200, ANY),
        ("POST", "/compatibility/subjects/s/versions", STRING, 200, {"is_compatible": True}),
    ],
    "settings": [
        ("GET", "/config", None, 200, {"compatibilityLevel": "BACKWARD"}),
        ("GET", "/config/s", None, 404, 40408),
        ("GET", "/config/s?defaultToGlobal=true", None, 200, {"compatibilityLevel": "BACKWARD"}),
        ("PUT", "/config", {"compatibility": "full"}, 200, {"compatibility": "FULL"}),
        ("PUT", "/config", {"compatibility": "MOST"}, 422, 42203),
        ("PUT", "/config/s", {"compatibility": "FULL_TRANSITIVE", "normalize": True}, 200,
         {"compatibility": "FULL_TRANSITIVE", "normalize": True}),
        ("PUT", "/config/s", {"compatibility": None}, 200, {}),
        ("GET", "/config/s", None, 200, {"normalize": True}),
        ("GET", "/config/s?defaultToGlobal=true", None, 200, {"normalize": True, "compatibilityLevel": "FULL"}),
        ("PUT", "/config/__EMPTY", {"compatibility": "FULL"}, 422, 42208),
        ("PUT", "/config/s", {"defaultRuleSet": {"domainRules": [{}]}}, 422, 42210),
        ("DELETE", "/config/s", None, 200, {"normalize": True}),
        ("DELETE", "/config/s", None, 404, 40401),
        ("DELETE", "/config", None, 200, {"compatibilityLevel": "FULL"}),
        ("GET", "/config", None, 200, {"compatibilityLevel": "BACKWARD"}),
        ("PUT", "/config/short", {"alias": "s"}, 200, {"alias": "s"}),
        ("POST", "/subjects/short/versions", INT, 200, {"id": 1}),
        ("GET", "/subjects", None, 200, ["s"]),
        ("GET", "/subjects/short/versions/1", None, 200, version("s", 1, 1, INT)),
        ("GET", "/schemas?aliases=true", None, 200, [version("s", 1, 1, INT, aliases=["short"])]),
    ],
    "metadata and rules": [
        ("POST", "/subjects/s/versions", {**R1, "metadata": OWNER("ann")}, 200, {"id": 1}),
        ("GET", "/subjects/s/versions/1", None, 200, Has(metadata=OWNER("ann"))),
        ("POST", "/subjects/s/versions", R1, 200, {"id": 1}),
        ("POST", "/subjects/s/versions", {**R2, "ruleSet": RULES}, 200, {"id": 2}),
        ("GET", "/subjects/s/versions/2", None, 200, Has(metadata=OWNER("ann"), ruleSet={"domainRules": [
            {"name": "r", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "expr": "true", "disabled": False}]})),
        ("POST", "/subjects/s/versions", {**R1, "metadata": OWNER("bob")}, 200, {"id": 3}),
        ("GET", "/subjects/s/metadata?key=owner&value=ann", None, 200, Has(version=2)),
        ("GET", "/subjects/s/metadata?key=owner&value=bob", None, 200, Has(version=3)),
        ("GET", "/subjects/s/metadata?key=owner&value=eve", None, 404, 40403),
        ("GET", "/subjects/none/metadata?key=owner&value=eve", None, 404, 40401),
        ("GET", "/schemas?ruleType=CEL", None, 200, [Has(version=2), Has(version=3)]),
        ("GET", "/schemas?ruleType=OTHER", None, 200, []),
        ("PUT", "/config/t", {"defaultMetadata": OWNER("any"), "compatibilityGroup": "major"}, 200, ANY),
        ("POST", "/subjects/t/versions", {**INT, "metadata": {"properties": {"major": "1"}}}, 200, {"id": 4}),
        ("POST", "/subjects/t/versions", {**STRING, "metadata": {"properties": {"major": "2"}}}, 200, {"id": 5}),
        ("POST", "/subjects/t/versions", {**STRING, "metadata": {"properties": {"major": "1"}}}, 409, 409),
        ("GET", "/subjects/t/versions/2", None, 200, Has(metadata={"properties": {"major": "2", "owner": "any"}})),
    ],
    "numbers and names": [
        ("POST", "/subjects/s/versions", R1, 200, {"id": 1}),
        ("POST", "/subjects/s/versions", {"schema": " "}, 200, {"id": 1}),  # the text there is
        ("POST", "/subjects/s/versions", {"metadata": OWNER("ann")}, 200, {"id": 2}),
        ("GET", "/subjects/s/versions/2", None, 200, Has(version=2, schema=R(F("a")).replace(" ", ""), metadata=OWNER("ann"))),
        ("POST", "/subjects/s/versions", {**R1, "version": -1}, 200, {"id": 2}),  # it is the newest
        ("POST", "/subjects/s/versions", {**R2, "version": 5}, 422, 42201),
        ("POST", "/subjects/s/versions", {**R2, "version": 3}, 200, {"id": 3}),
        ("GET", "/subjects/s/versions/3", None, 200, Has(metadata={"properties": {"confluent:version": "3", "owner": "ann"}})),
        ("POST", "/subjects/s/versions", R2, 200, {"id": 3}),
        ("POST", "/subjects/s/versions", {"schema": R(F("a"), F("b", default=1))}, 200, {"id": 4}),
        ("GET", "/subjects/s/versions/4", None, 200, Has(metadata={"properties": {"confluent:version": "4", "owner": "ann"}})),
        ("PUT", "/config/f", {"validateFields": True, "validateRules": True, "validateNewSchemas": True}, 200, ANY),
        ("POST", "/subjects/f/versions", {**R1, "metadata": {"properties": {"confluent:reserved": "x, a"}}}, 409, 409),
        ("POST", "/subjects/f/versions", {**R1, "metadata": {"properties": {"confluent:reserved": "x,y"}}}, 200, {"id": 5}),
        ("POST", "/subjects/f/versions", {**R2, "metadata": {"properties": {"confluent:reserved": "y"}}}, 409, 409),
        ("POST", "/compatibility/subjects/f/versions?verbose=true", {**R2, "metadata": {"properties": {"confluent:reserved": "y"}}}, 200,
         Has(is_compatible=False)),
        ("POST", "/subjects/f/versions", {"schema": R(F("a"), F("x", default=0))}, 409, 409),
        ("POST", "/subjects/f/versions", R2, 200, {"id": 6}),
    ],
    "tags": [
        ("POST", "/subjects/s/versions", R1, 200, {"id": 1}),
        ("POST", "/subjects/s/versions/latest/tags", {"tagsToAdd": [TAG("R", "PII", "X")]}, 200, {"id": 2}),
        ("GET", "/subjects/s/versions/2", None, 200, version(
            "s", 2, 2, {"schema": R(F("a"))[:-1].replace(" ", "") + ',"confluent:tags":["PII","X"]}'}, metadata={"properties": {"confluent:version": "2"}})),
        ("POST", "/subjects/s/versions/2/tags", {"newVersion": 3, "tagsToAdd": [TAG("R.a", "KEY")], "tagsToRemove": [TAG("R", "X")]}, 200, {"id": 3}),
        ("GET", "/subjects/s/versions/3?findTags=KEY", None, 200, Has(schemaTags=[TAG("R.a", "KEY")])),
        ("GET", "/subjects/s/versions/3?findTags=*", None, 200, Has(schemaTags=[TAG("R", "PII"), TAG("R.a", "KEY")])),
        ("GET", "/schemas/ids/3?findTags=PII&findTags=KEY", None, 200, Has(schemaTags=[TAG("R", "PII"), TAG("R.a", "KEY")])),
        ("GET", "/subjects/s/versions/3?findTags=NONE", None, 200, Has(version=3)),
        ("POST", "/subjects/s/versions/latest/tags", {"tagsToAdd": [TAG("R.a", "KEY")]}, 200, {"id": 3}),  # it has it
        ("POST", "/subjects/s/versions/1/tags", {"newVersion": 1, "tagsToAdd": [TAG("R", "Y")]}, 422, 42201),
        ("POST", "/subjects/s/versions/9/tags", {"tagsToAdd": [TAG("R", "Y")]}, 404, 40402),
        ("POST", "/subjects/none/versions/1/tags", {"tagsToAdd": [TAG("R", "Y")]}, 404, 40401),
        ("POST", "/subjects/s/versions/x/tags", {"tagsToAdd": [TAG("R", "Y")]}, 422, 42202),
        ("POST", "/subjects/s/versions/1/tags", {"tagsToAdd": [TAG("R.none", "Y")]}, 422, 42201),
        ("POST", "/subjects/s/versions/1/tags", {"tagsToAdd": "Y"}, 422, 42201),
        ("POST", "/subjects/s/versions/1/tags", [], 422, 42201),
        ("POST", "/subjects/s/versions/1/tags", {"rulesToMerge": {"domainRules": [{"name": "1"}]}}, 422, 42210),
        ("POST", "/subjects/s/versions/latest/tags", {"rulesToMerge": RULES, "metadata": OWNER("ann")}, 200, Has(
            version=4, metadata={"properties": {"confluent:version": "4", "owner": "ann"}}, ruleSet=ANY_RULES), NEW),
        ("POST", "/subjects/s/versions/latest/tags", {"rulesToRemove": ["r"]}, 200, {"id": 5}),
        ("GET", "/subjects/s/versions/5", None, 200, version("s", 5, 5, {"schema": json.dumps({"type": "record", "name": "R", "fields": [
            {"name": "a", "type": "int", "confluent:tags": ["KEY"]}], "confluent:tags": ["PII"]}, separators=(",", ":"))},
            metadata={"properties": {"confluent:version": "5", "owner": "ann"}})),
        ("POST", "/subjects/s/versions", {**R2, "propagateSchemaTags": True}, 200, {"id": 6}),
        ("GET", "/subjects/s/versions/6?findTags=*", None, 200, Has(schemaTags=[TAG("R", "PII"), TAG("R.a", "KEY")])),
        ("POST", "/subjects/t/versions", {**R1, "schemaTagsToAdd": [TAG("R.a", "KEY")]}, 200, {"id": 7}),
        ("GET", "/subjects/t/versions/1?findTags=*", None, 200, Has(schemaTags=[TAG("R.a", "KEY")], metadata={"properties": {"confluent:version": "1"}})),
        ("POST", "/subjects/t/versions", {**R1, "schemaTagsToAdd": [TAG("R.b", "KEY")]}, 422, 42201),
        ("PUT", "/mode/s", {"mode": "READONLY"}, 200, ANY),
        ("POST", "/subjects/s/versions/latest/tags", {"tagsToAdd": [TAG("R", "Z")]}, 422, 42205),
    ],
    "formats": [
        ("POST", "/subjects/inner/versions", {"schema": '{"type":"record","name":"x.I","fields":[]}'}, 200, {"id": 1}),
        ("POST", "/subjects/middle/versions", {"schema": '{"type":"record","name":"x.M","fields":[{"name":"i","type":"I"}]}', "references": [
            {"name": "x.I", "subject": "inner", "version": 1}]}, 200, {"id": 2}),
        ("POST", "/subjects/outer/versions", {"schema": '{"type":"array","items":"x.M"}', "references": [
            {"name": "x.M", "subject": "middle", "version": 1}]}, 200, {"id": 3}),
        ("GET", "/subjects/outer/versions/1/schema", None, 200, {"type": "array", "items": "x.M"}),
        ("GET", "/subjects/outer/versions/1/schema?format=resolved", None, 200, OUT),
        ("GET", "/schemas/ids/3/schema?format=RESOLVED", None, 200, OUT),
        ("GET", "/schemas/ids/3/schema?format=nonsense", None, 200, {"type": "array", "items": "x.M"}),
        ("GET", "/subjects/outer/versions/1?format=resolved", None, 200, Has(schema=OUT_TEXT)),
        ("GET", "/schemas/ids/3?format=resolved", None, 200, Has(schema=OUT_TEXT)),
        ("POST", "/subjects/outer?format=resolved", {"schema": '{"type":"array","items":"x.M"}', "references": [
            {"name": "x.M", "subject": "middle", "version": 1}]}, 200, Has(schema=OUT_TEXT)),
        ("POST", "/subjects/outer/versions?format=resolved", {"schema": '{"type":"array","items":"x.M"}', "references": [
            {"name": "x.M", "subject": "middle", "version": 1}]}, 200, Has(schema=OUT_TEXT), NEW),
        ("GET", "/subjects/outer/versions/1?referenceFormat=qualified", None, 200, Has(references=[{"name": "x.M", "subject": ":.:middle", "version": 1}])),
        ("GET", "/schemas/ids/3?referenceFormat=qualified", None, 200, Has(references=[{"name": "x.M", "subject": ":.:middle", "version": 1}])),
    ],
    "modes": [
        ("GET", "/mode", None, 200, {"mode": "READWRITE"}),
        ("GET", "/mode/s", None, 404, 40409),
        ("GET", "/mode/s?defaultToGlobal=true", None, 200, {"mode": "READWRITE"}),
        ("PUT", "/mode/s", {"mode": "SIDEWAYS"}, 422, 42204),
        ("PUT", "/mode/__EMPTY", {"mode": "READONLY"}, 422, 42208),
        ("PUT", "/mode/s", {"mode": "READONLY"}, 200, {"mode": "READONLY"}),
        ("GET", "/mode/s", None, 200, {"mode": "READONLY"}),
        ("POST", "/subjects/s/versions", INT, 422, 42205),
        ("PUT", "/config/s", {"compatibility": "NONE"}, 422, 42205),
        ("DELETE", "/mode/s", None, 200, {"mode": "READONLY"}),
        ("DELETE", "/mode/s", None, 404, 40401),
        ("DELETE", "/mode/s?recursive=true", None, 200, None),
        ("POST", "/subjects/s/versions", INT, 200, {"id": 1}),
        ("PUT", "/mode/s", {"mode": "IMPORT"}, 422, 42205),
        ("PUT", "/mode", {"mode": "IMPORT"}, 422, 42205),
        ("PUT", "/mode/i", {"mode": "IMPORT"}, 200, {"mode": "IMPORT"}),
        ("POST", "/subjects/i/versions", LONG, 422, 42205),
        ("POST", "/subjects/i/versions", {**LONG, "id": 100, "version": 7}, 200, {"id": 100}),
        ("POST", "/subjects/i/versions", {**STRING, "id": 101, "version": 3}, 200, {"id": 101}),
        ("POST", "/subjects/i/versions", {"schema": '"bytes"', "id": 100}, 422, 42205),
        ("GET", "/subjects/i/versions", None, 200, [3, 7]),
        ("PUT", "/mode/i", {"mode": "READWRITE"}, 200, ANY),
        ("POST", "/subjects/i/versions", {"schema": '"double"'}, 200, {"id": 102}),
        ("GET", "/subjects/i/versions", None, 200, [3, 7, 8]),
        ("PUT", "/mode?force=true", {"mode": "IMPORT"}, 200, {"mode": "IMPORT"}),
        ("DELETE", "/mode", None, 200, {"mode": "IMPORT"}),
    ],
    "contexts": [
        ("POST", "/subjects/s/versions", INT, 200, {"id": 1}),
        ("POST", "/contexts/x/subjects/s/versions", STRING, 200, {"id": 1}),
        ("POST", "/subjects/:.y:s/versions", LONG, 200, {"id": 1}),
        ("POST", "/contexts/.x/subjects/only/versions", LONG, 200, {"id": 2}),
        ("GET", "/contexts", None, 200, [".", ".x", ".y"]),
        ("GET", "/contexts?offset=1&limit=1", None, 200, [".x"]),
        ("GET", "/contexts?contextPrefix=.y", None, 200, [".y"]),
        ("GET", "/subjects", None, 200, [":.x:only", ":.x:s", ":.y:s", "s"]),
        ("GET", "/subjects?subjectPrefix=", None, 200, ["s"]),
        ("GET", "/contexts/x/subjects", None, 200, [":.x:only", ":.x:s"]),
        ("GET", "/contexts/x/subjects/s/versions/1", None, 200, version(":.x:s", 1, 1, STRING)),
        ("GET", "/contexts/x/schemas/ids/1", None, 200, STRING),
        ("GET", "/schemas/ids/1", None, 200, INT),
        ("GET", "/schemas/ids/2?subject=:.x:", None, 200, LONG),
        ("GET", "/schemas/ids/2?subject=only", None, 200, LONG),
        ("GET", "/subjects/only/versions/1", None, 200, version(":.x:only", 1, 2, LONG)),
        ("POST", "/subjects/only", LONG, 200, version(":.x:only", 1, 2, LONG)),
        ("GET", "/contexts/x/schemas?latestOnly=true", None, 200, [Has(subject=":.x:only"), Has(subject=":.x:s")]),
        ("GET", f"/schemas/guids/{GUID_INT}/ids", None, 200, [{"context": ".", "id": 1}]),
        ("PUT", "/contexts/x/config", {"compatibility": "NONE"}, 200, {"compatibility": "NONE"}),
        ("GET", "/config/:.x:", None, 200, {"compatibilityLevel": "NONE"}),
        ("GET", "/config/:.x:s?defaultToGlobal=true", None, 200, {"compatibilityLevel": "NONE"}),
        ("POST", "/contexts/x/compatibility/subjects/s/versions", INT, 200, {"is_compatible": True}),
        ("PUT", "/contexts/x/mode/s", {"mode": "READONLY"}, 200, {"mode": "READONLY"}),
        ("GET", "/mode/:.x:s", None, 200, {"mode": "READONLY"}),
        ("DELETE", "/contexts/x/mode?recursive=true", None, 200, None),
        ("GET", "/mode/:.x:s", None, 404, 40409),
        ("DELETE", "/contexts/y", None, 422, 42211),
        ("DELETE", "/contexts/z", None, 404, 40401),
        ("DELETE", "/contexts/y/subjects/s", None, 200, [1]),
        ("DELETE", "/contexts/y/subjects/s?permanent=true", None, 200, [1]),
        ("DELETE", "/contexts/y", None, 204, None),
        ("GET", "/contexts", None, 200, [".", ".x"]),
    ],
}


def ask(r, method, path, body, headers):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(r.url + path, data, method=method, headers={
        "Content-Type": "application/vnd.schemaregistry.v1+json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read() or b"null")


def main():
    only = sys.argv[1:] or BLOCKS
    for name in only:
        r = Registry("api-test-%d-%d-%s" % (time.time(), os.getpid(), name.replace(" ", "-")))
        wrong = 0
        try:
            for method, path, body, status, want, *headers in BLOCKS[name]:
                got = ask(r, method, path, body, headers[0] if headers else {})
                if isinstance(want, int) and status >= 400:
                    want = Has(error_code=want)
                if got[0] != status or (want is not ANY and not (want == got[1])):
                    wrong += 1
                    print(f"    {method} {path}\n        got  {got}\n        want {(status, want)}")
            check(f"{name}: {len(BLOCKS[name])} rows", wrong, 0)
        finally:
            r.process.kill()
    sys.exit(registry_test.failed != 0)


if __name__ == "__main__":
    main()
