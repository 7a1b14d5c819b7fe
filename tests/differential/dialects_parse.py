#!/usr/bin/env python3
"""What the dialects say (loaders/dialect.c), read by somebody else's parser of each: sqlglot.  usage: dialects_parse.py PROGRAM

A statement must parse in its own dialect into something the parser knows (a "command" is what it does not: told apart below),
with the parts it is meant to have.  Where a parser is missing (SQL:2003) its nearest relative stands in."""
import collections, logging, subprocess, sys
import sqlglot
from sqlglot import exp

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
READS = {"postgres": "postgres", "sqlite": "sqlite", "sqlserver": "tsql", "snowflake": "snowflake", "generic": "trino"}
WANTED = {"create": exp.Create, "add": exp.Alter, "widen": exp.Alter, "relax": exp.Alter, "stage": exp.Create, "insert": exp.Insert,
          "count": exp.Select, "append": exp.Insert, "ledger": exp.Create, "literals": exp.Insert, "delete": exp.Delete, "ago": exp.Delete, "update": exp.Update, "create_aside": exp.Create,
          "index": exp.Create, "spans": exp.Insert, "history": exp.Insert, "audit": exp.Select, "copy_into": exp.Copy}
# session settings and transactions' words: sqlglot keeps them as they are, or refuses them
UNREAD = {"greet", "end_session", "savepoint"}
# words that it has not heard of, all of them in their manuals: "ALTER TABLE (Transact-SQL)", DEFAULT .. WITH VALUES; SQL:2003, 11.3
# "CREATE INDEX" of sqlite.org has a schema before the index's name
UNKNOWN = [('INDEX "staging".', "INDEX "), (" WITH VALUES", ""), ("CREATE LOCAL TEMPORARY", "CREATE TEMPORARY"), (" ON COMMIT PRESERVE ROWS", "")]
said, failed = collections.Counter(), 0


def check(dialect, what, sql):
    if what in UNREAD:
        return
    for words, instead in UNKNOWN:
        sql = sql.replace(words, instead)
    tree = sqlglot.parse(sql, read=READS[dialect], error_level=sqlglot.ErrorLevel.RAISE)
    tree = [t for t in tree if t is not None]
    if len(tree) != 1:
        raise ValueError("%d statements, wanted 1" % len(tree))
    tree = tree[0]
    wanted = WANTED.get(what)
    if what in ("insert_ignore", "upsert", "mirror", "once"):
        wanted = exp.Insert if dialect in ("postgres", "sqlite") else exp.Merge
    if what == "close":
        wanted = exp.Update if dialect in ("postgres", "sqlite") else exp.Merge
    if not isinstance(tree, wanted):
        raise ValueError("a %s, wanted %s" % (type(tree).__name__, wanted.__name__))
    if list(tree.find_all(exp.Command)):
        raise ValueError("a part that the parser does not know")
    if wanted is exp.Merge:
        kinds = {(bool(w.args["matched"]), type(w.args["then"]).__name__) for w in tree.find_all(exp.When)}
        full = {"upsert": {(True, "Update"), (False, "Insert")}, "mirror": {(True, "Var"), (True, "Update"), (False, "Insert")},
                "close": {(True, "Update")}}
        full = full.get(what, {(False, "Insert")})
        if kinds != full:
            raise ValueError("branches %s, wanted %s" % (kinds, full))
    if what in ("upsert", "insert_ignore", "mirror") and wanted is exp.Insert:
        conflict = tree.args.get("conflict")
        if conflict is None or len(conflict.args["conflict_keys"]) != 2:
            raise ValueError("ON CONFLICT without its two keys")
        told = [c for c in tree.find_all(exp.EQ) if c.this.name == "avrogate_op" and c.expression.name == "0"]
        if (what == "mirror") != (len(told) == 1):
            raise ValueError("tombstones are inserted")
    if what == "delete" and [c.expression.name for c in tree.find_all(exp.EQ) if c.this.name == "avrogate_op"] != ["1"]:
        raise ValueError("more than what tombstones name is deleted")
    if what == "insert":
        markers, columns = len(list(tree.find_all(exp.Placeholder))), len(tree.this.expressions)
        rows = len(tree.expression.expressions)
        if markers != columns * rows:
            raise ValueError("%d markers for %d columns of %d rows" % (markers, columns, rows))
    if what == "copy_into":
        options = {p.this.name.upper() for p in tree.args["params"]}
        if not {"FILES", "FILE_FORMAT", "MATCH_BY_COLUMN_NAME", "ON_ERROR", "FORCE", "LOAD_UNCERTAIN_FILES"} <= options:
            raise ValueError("options %s" % options)
    if what == "create" and tree.find(exp.PrimaryKey) is None:
        raise ValueError("no primary key")
    if what == "spans" and (len(list(tree.find_all(exp.Union))) != 2 or len({str(w.args["partition_by"][0].name) for w in tree.find_all(exp.Window)}) != 1):
        raise ValueError("not past, present and batch, by key")
    if what == "create_aside" and (tree.find(exp.PrimaryKey) or "_errors" in sql.lower() and {c.name.lower() for c in tree.find_all(exp.ColumnDef)} <
                                   {"_errors", "_topic", "_partition", "_offset", "_run_id", "_quarantined", "shop", "tags"}):
        raise ValueError("a key, or not its columns")
    again = sqlglot.parse_one(tree.sql(dialect=READS[dialect]), read=READS[dialect])
    if type(again) is not type(tree):
        raise ValueError("written again it is a " + type(again).__name__)


out = subprocess.run([sys.argv[1]], capture_output=True, text=True, errors="replace", check=True).stdout
for part in out.split("\n@")[:-1]:
    head, sql = part.lstrip("@").split("\n", 1)
    dialect, what = head.split()
    said[dialect] += 1
    try:
        check(dialect, what, sql)
    except Exception as x:
        failed += 1
        print("not ok - %s %s: %s\n    %s" % (dialect, what, str(x).split("\n")[0], sql.replace("\n", "\n    ")))
for dialect, n in said.items():
    print("ok - %d statements of %s" % (n, dialect))
if set(said) != set(READS) or min(said.values()) < 40:
    print("not ok - too few statements: %s" % said)
    failed += 1
sys.exit(failed != 0)
