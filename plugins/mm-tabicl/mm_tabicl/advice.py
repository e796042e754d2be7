"""A word on plans whose rows are more than a context may have. Light."""

from __future__ import annotations

from mm_core.api import Note, Planned


def of_too_many_rows(planned: Planned) -> list[Note]:
    """One note where the fit would be refused; rows that are held out count, for a plan does not
    know them yet.
    """
    fit = planned.recipe.fit
    if fit.id != "tabicl:in_context" or planned.rows <= fit.config["context_rows"]:
        return []
    text = (
        f"{planned.rows} rows, and a context may have {fit.config['context_rows']} "
        "(fit.context_rows): the fit is refused where more are left for training. None is left "
        "out unsaid."
    )
    return [Note(text=text, settings={"fit.context_rows": planned.rows})]
