"""Erase a person on request: `kefu erase CUSTOMER`. Orders stay as the law wants invoices kept, without the person.

It cannot be undone. Mails that lie as files in the mailbox folder, backups and earlier exports are not touched; a
dialogue process that is running forgets the conversation when it next reads it from the database.
"""

import argparse
import sys
from collections.abc import Sequence

from bot.database.base import utc_now
from bot.database.engine import open_engine, open_readers, open_sessions
from bot.database.migrate import MigrationError, require_current
from bot.database.personal import NoSuchCustomer, erase_person, find_customer, forget_dialogue


def main(argv: Sequence[str] | None = None) -> int:
    from bot import settings

    parser = argparse.ArgumentParser(prog="kefu erase", description=__doc__)
    parser.add_argument("customer", help="the customer's id or e-mail address")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args(argv)
    loaded = settings.load()
    engine, tracker = open_engine(loaded.database_url), open_engine(loaded.tracker_url)
    try:
        require_current(engine)
        with open_readers(engine)() as session:
            customer_id = find_customer(session, options.customer)
        if not options.yes and input(f"Erase customer {customer_id} for good? Type yes: ").strip() != "yes":
            print("nothing was erased")
            return 1
        with open_sessions(engine).begin() as session:
            conversations = erase_person(session, customer_id, now=utc_now())
        forget_dialogue(tracker, conversations)
    except (NoSuchCustomer, MigrationError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        engine.dispose()
        tracker.dispose()
    print(f"customer {customer_id} is erased, {len(conversations)} conversations emptied")
    return 0


if __name__ == "__main__":
    sys.exit(main())
