"""Versions as commands take and tell them."""

from runner.core.model import Report

BEGINNING = "0"  # what `to` says of a rollback
THE_ZEROTH = "00"  # what it says for a migration of that very number


def version_below(report: Report, version: str) -> str:
    """The last version that the database has, or had, below this one, as `to` takes it: what a rollback that undoes
    this one goes back to.
    """
    if report.plan is None:
        return BEGINNING
    key = report.plan.order.key
    below = [each for each in (*report.plan.applied, *report.applied) if key(each) < key(version)]
    if not below:
        return BEGINNING
    last = max(below, key=key)
    return THE_ZEROTH if last == BEGINNING else last
