"""What each output column of one SELECT is made of: columns of the tables that it reads.

A column is made of the columns in its expression. Where the expression alone tells nothing, the conditions that chose
the value do:
- a value of a code list (seed), or a constant, comes from the conditions under which its row was taken;
- a count, another aggregate, and a test whether a joined row is there, come from what decides which rows there are;
  but the evidence of a value comes from file and row alone.
Keys that only join one row to another are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from orchestration.column_lineage import KEY, ROWS, Origins, names_rows

_DIALECT = "duckdb"
_OUTER = ("LEFT", "RIGHT", "FULL")
_NOTHING: Origins = frozenset()


def trace_select(
    sql: str, columns: Collection[str], schema: Mapping[str, Any], seeds: Collection[str], lake: str = ""
) -> dict[str, Origins]:
    """Return, per output column and for ROWS, the `(schema.table, column)` pairs that it is made of.

    Args:
        sql: one compiled model.
        columns: its output columns.
        schema: known columns of the tables it may read, `{schema: {table: {column: type}}}`.
        seeds: code lists, as `schema.table`.
        lake: the one table of the lake that it reads, through a list of files in whose place the SQL has a SELECT of
            NULLs named as the columns; empty for none.

    A column whose SQL can't be followed has no origins.
    """
    try:
        tree = qualify(
            parse_one(sql, dialect=_DIALECT), schema=dict(schema), dialect=_DIALECT, validate_qualify_columns=False
        )
        scope = build_scope(tree)
    except SqlglotError:
        scope = None
    if scope is None:
        return {column: _NOTHING for column in [*columns, ROWS]}
    tracer, of_rows = _Tracer(frozenset(seeds), lake), _Tracer(frozenset(seeds), lake, follow_rows=False)
    traced = {column: (of_rows if names_rows(column) else tracer).column(scope, column) for column in columns}
    return {**traced, ROWS: tracer.rows(scope)}


class _Tracer:
    """Follows columns through the scopes of one statement; remembers what it has followed."""

    def __init__(self, seeds: frozenset[str], lake: str, *, follow_rows: bool = True) -> None:
        """``follow_rows``: an aggregate is also made of what decides the rows that it is taken over."""
        self._seeds = seeds
        self._lake = lake
        self._follow_rows = follow_rows
        self._columns: dict[tuple[int, str], Origins] = {}
        self._choosing: set[tuple[int, str]] = set()

    def column(self, scope: Scope, name: str) -> Origins:
        """What the output column called ``name`` is made of."""
        key = (id(scope), name)
        if key not in self._columns:
            names = _output_names(scope)
            self._columns[key] = self._output(scope, names.index(name)) if name in names else _NOTHING
        return self._columns[key]

    def _output(self, scope: Scope, position: int) -> Origins:
        if scope.set_operation_scopes:
            return _NOTHING.union(*(self._output(branch, position) for branch in scope.set_operation_scopes))
        selected = _selects(scope)[position]
        expression = selected.unalias()
        if self._lake and _stands_for_a_column(scope, expression):
            return frozenset({(self._lake, selected.alias_or_name)})
        found = self._made_of(scope, expression)
        if not found and _is_constant(expression):
            found = self._conditions(scope)
        return found

    def rows(self, scope: Scope) -> Origins:
        """What decides which rows the scope has: its conditions, and the rows of what it reads."""
        if scope.set_operation_scopes:
            return _NOTHING.union(*(self.rows(branch) for branch in scope.set_operation_scopes))
        found = self._conditions(scope)
        first, *joined = _kept_relations(scope) or [""]
        found |= self._rows_of(scope, first)
        for alias in joined:
            if isinstance(_source(scope, alias), Scope):
                found |= self._rows_of(scope, alias)
        return found

    def _rows_of(self, scope: Scope, alias: str) -> Origins:
        source = _source(scope, alias)
        if isinstance(source, Scope):
            return self.rows(source)
        name = _table(source)
        return frozenset({(name, ROWS)}) if name and name not in self._seeds else _NOTHING

    def _made_of(self, scope: Scope, expression: exp.Expr) -> Origins:
        """What an expression is made of; a SELECT inside it counts by its own columns and rows."""
        found = _NOTHING
        for node in expression.walk(prune=lambda node: isinstance(node, exp.Query)):
            if isinstance(node, exp.Column):
                found |= self._resolved(scope, node)
            elif self._follow_rows and isinstance(node, exp.AggFunc) and node.find_ancestor(exp.Window) is None:
                found |= self.rows(scope) | (self._groups(scope) if isinstance(node, exp.Count) else _NOTHING)
            elif isinstance(node, exp.Query):
                found |= self._subquery(scope, node)
        return found

    def _groups(self, scope: Scope) -> Origins:
        """What a count is counted by, less the patient."""
        selects = (select.unalias() for select in _selects(scope))
        grouped = (one for one in selects if one.find(exp.AggFunc) is None and one.name != KEY)
        return _NOTHING.union(*(self._made_of(scope, one) for one in grouped))

    def _subquery(self, scope: Scope, query: exp.Query) -> Origins:
        inner = next((one for one in scope.subquery_scopes if one.expression is query.unnest()), None)
        if inner is None:
            return _NOTHING
        found = _NOTHING.union(*(self.column(inner, name) for name in _output_names(inner)))
        return found or self.rows(inner)

    def _resolved(self, scope: Scope, column: exp.Column) -> Origins:
        source = _source(scope, column.table)
        if source is None:
            return _NOTHING
        if isinstance(source, Scope):
            found = self.column(source, column.name)
        else:
            name = _table(source)
            found = frozenset({(name, column.name)}) if name else _NOTHING
        if found and all(table in self._seeds for table, _ in found):
            found |= self._chosen_by(scope, column.table)
        if _asks_for_presence(scope, column):
            found |= self._joined_rows(scope, column.table)
        return found

    def _joined_rows(self, scope: Scope, alias: str) -> Origins:
        """What decides whether an outer join finds a row."""
        conditions = next(_split(join.args.get("on")) for join in _joins(scope) if join.alias_or_name == alias)
        return self._rows_of(scope, alias) | self._guarded(scope, f"on {alias}", conditions)

    def _guarded(
        self, scope: Scope, what: str, conditions: Iterable[exp.Expr], joining: Collection[str] | None = None
    ) -> Origins:
        """What conditions are made of, less the keys that only join; a condition may ask for itself."""
        key = (id(scope), what)
        if key in self._choosing:
            return _NOTHING
        self._choosing.add(key)
        found = _NOTHING.union(*(self._made_of(scope, one) for one in conditions if not _only_joins(one, joining)))
        self._choosing.remove(key)
        return found

    def _chosen_by(self, scope: Scope, alias: str) -> Origins:
        """What chose the row of a code list: the conditions that name it, and the choice among the rows joined."""
        return self._guarded(scope, f"chosen {alias}", _choosing_conditions(scope, alias), (KEY,))

    def _conditions(self, scope: Scope) -> Origins:
        """What the conditions of a SELECT are made of."""
        return self._guarded(scope, "rows", _row_conditions(scope))


def _selects(scope: Scope) -> list[exp.Expr]:
    expression = scope.expression.unnest()
    return list(expression.selects) if isinstance(expression, exp.Query) else []


def _output_names(scope: Scope) -> list[str]:
    """Names of the output columns; a union has those of its first SELECT."""
    while scope.set_operation_scopes:
        scope = scope.set_operation_scopes[0]
    return [select.alias_or_name for select in _selects(scope)]


def _source(scope: Scope | None, alias: str) -> exp.Expr | Scope | None:
    """The table or scope behind an alias; a SELECT inside an expression may name those around it."""
    if scope is not None and not alias and len(scope.sources) == 1:
        return next(iter(scope.sources.values()))
    while scope is not None:
        if alias in scope.sources:
            return scope.sources[alias]
        scope = scope.parent
    return None


def _table(source: object) -> str:
    return f"{source.db}.{source.name}" if isinstance(source, exp.Table) and source.db else ""


def _stands_for_a_column(scope: Scope, expression: exp.Expr) -> bool:
    return scope.expression.args.get("from_") is None and expression.find(exp.Null) is not None


def _is_constant(expression: exp.Expr) -> bool:
    """A value written in the SQL; NULL is none."""
    return expression.find(exp.Column) is None and expression.find(exp.Literal, exp.Boolean) is not None


def _joins(scope: Scope) -> list[exp.Join]:
    return list(scope.expression.args.get("joins") or [])


def _kept_relations(scope: Scope) -> list[str]:
    """Aliases of what a SELECT reads, FROM first, without those that add nothing but columns (outer joins)."""
    first = scope.expression.args.get("from_")
    joined = [join.alias_or_name for join in _joins(scope) if join.side.upper() not in _OUTER]
    return [] if first is None else [first.this.alias_or_name, *joined]


def _split(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    """The parts of a condition that must all hold."""
    if condition is None:
        return
    inner = condition.unnest()
    if isinstance(inner, exp.And):
        yield from (part for side in (inner.left, inner.right) for part in _split(side))
    else:
        yield inner


def _clauses(scope: Scope) -> Iterator[exp.Expr]:
    for clause in ("where", "having"):
        stated = scope.expression.args.get(clause)
        if stated is not None:
            yield from _split(stated.this)
    chosen = scope.expression.args.get("qualify")
    if chosen is not None:
        yield chosen


def _row_conditions(scope: Scope) -> Iterator[exp.Expr]:
    """Conditions that decide which rows are left: not those of outer joins."""
    yield from _clauses(scope)
    for join in _joins(scope):
        if join.side.upper() not in _OUTER:
            yield from _split(join.args.get("on"))


def _choosing_conditions(scope: Scope, alias: str) -> Iterator[exp.Expr]:
    """Conditions that name an alias, and the choice of one among several rows."""
    if scope.set_operation_scopes:
        return
    for condition in _clauses(scope):
        if isinstance(condition, exp.Qualify) or alias in _aliases(condition):
            yield condition
    for join in _joins(scope):
        yield from (condition for condition in _split(join.args.get("on")) if alias in _aliases(condition))


def _aliases(condition: exp.Expr) -> set[str]:
    return {column.table for column in condition.find_all(exp.Column)}


def _only_joins(condition: exp.Expr, names: Collection[str] | None = None) -> bool:
    """A column equal to the like-named one of another relation; with ``names``, only columns called so."""
    if not isinstance(condition, exp.EQ):
        return False
    left, right = condition.left, condition.right
    alike = isinstance(left, exp.Column) and isinstance(right, exp.Column) and left.name == right.name
    return alike and (names is None or left.name in names)


def _asks_for_presence(scope: Scope, column: exp.Column) -> bool:
    """Whether the value says if there is a row of an outer join at all.

    Its key is compared with NULL, it is counted, or a flag or number stands in for what is not there.
    """
    join = next((join for join in _joins(scope) if join.alias_or_name == column.table), None)
    if join is None or join.side.upper() not in _OUTER:
        return False
    around = column.find_ancestor(exp.Coalesce, exp.AggFunc, exp.Query)
    if isinstance(around, exp.AggFunc):
        return True
    if isinstance(around, exp.Coalesce) and isinstance(around.expressions[-1], exp.Boolean | exp.Literal):
        return True
    tested = isinstance(column.parent, exp.Is) and isinstance(column.parent.expression, exp.Null)
    keys = (key for condition in _split(join.args.get("on")) for key in condition.find_all(exp.Column))
    return tested and any(column.name == key.name for key in keys)
