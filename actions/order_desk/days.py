"""Days as a shop counts them: working days are Monday to Friday, a day is a day in UTC."""

from datetime import date, datetime, timedelta


def working_days_after(start: datetime, days: int) -> datetime:
    """The moment `days` working days later; 0 gives `start` itself."""
    moment = start
    while days > 0:
        moment += timedelta(days=1)
        if moment.weekday() < 5:
            days -= 1
    return moment


def day(moment: datetime | date | None) -> str | None:
    """ "YYYY-MM-DD", as facts hold it."""
    return None if moment is None else moment.strftime("%Y-%m-%d")
