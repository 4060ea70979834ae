"""Plays the demo into an empty installation: people sign up, files come in, reviewers decide, day by day."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from supabase import Client

from backend import auth, db
from backend.config import Settings
from backend.imports.runner import Importer, Shop, import_file
from backend.local.demo import clock, figures, files, leads, listings, plan, rota, tickets
from backend.local.demo.orders import ZONE, Order
from backend.local.demo.team import PEOPLE, SHOPS, Person
from backend.pii import Keyring
from backend.service import Service

Say = Callable[[str], None]


class Player:
    """The demo's hands: the service for imports, and a client for each person who decides something."""

    def __init__(self, settings: Settings, password: str) -> None:
        self.settings = settings
        self.password = password
        self.service = Service(settings)
        self.importer = Importer(self.service.rpc, self.service.rpc, Keyring.parse(settings.pii_key))
        self.shops: dict[str, Shop] = {}
        self._people: dict[str, Client] = {}

    def person(self, staff_no: str) -> Client:
        """The signed-in client of a demo member."""
        if staff_no not in self._people:
            session = auth.sign_in(self.settings, staff_no, self.password, source="demo")
            self._people[staff_no] = db.user_client(self.settings, session.access_token)
        return self._people[staff_no]

    def open_shops(self) -> None:
        """The three shops."""
        for shop in SHOPS:
            answer = self.service.rpc(
                "save_shop", p_id=None, p_version=None, p_shop=shop, p_request_id=str(uuid.uuid4())
            )
            self.shops[shop["code"]] = Shop(answer["id"], shop["code"], shop["platform"])

    def hire(self) -> None:
        """The team; everybody but the invited one signs up with the demo's password."""
        codes = {person.staff_no: auth.new_code() for person in PEOPLE}
        people = [_invitation(self.settings, person, codes[person.staff_no]) for person in PEOPLE]
        self.service.rpc("invite_members", p_people=people, p_request_id=str(uuid.uuid4()))
        for person in PEOPLE:
            if person.state != "invited":
                auth.sign_up(self.settings, codes[person.staff_no], self.password)
        admin = self.person("A001")
        members = {m["staff_no"]: m for m in db.rpc(admin, "list_members")}
        for person in PEOPLE:
            if person.state == "off":
                member = members[person.staff_no]
                _ask(admin, "switch_member", p_id=member["id"], p_version=member["version"], p_on=False)

    def take_in(self, orders: Sequence[Order]) -> None:
        """Imports orders, one file a shop."""
        for code, shop in self.shops.items():
            mine = [order for order in orders if order.shop == code]
            if mine:
                name, data = files.order_file(code, mine)
                import_file(self.importer, data, name=name, kind="orders", shop=shop)

    def take_in_parcels(self, orders: Sequence[Order]) -> None:
        """Imports the carrier's news of what is under way, one file a shop."""
        for code, shop in self.shops.items():
            mine = [order for order in orders if order.shop == code and order.status == "shipped"]
            name, data = files.shipment_file(mine)
            import_file(self.importer, data, name=name, kind="shipments", shop=shop)

    def take_in_signed(self, code: str, orders: Sequence[tuple[str, datetime]]) -> None:
        """Imports the carrier's news that these orders of a shop (number, placed at) arrived."""
        name, data = files.parcel_file([(order_no, placed_at, True) for order_no, placed_at in orders])
        import_file(self.importer, data, name=name, kind="shipments", shop=self.shops[code])

    def decide(self, staff_no: str, numbers: frozenset[str], decision: str, reason: str | None) -> None:
        """One decision on everything open on these orders."""
        client = self.person(staff_no)
        open_now = db.rows(
            client.table("order_work")
            .select("order_no, exceptions")
            .in_("state", ["open", "waiting_customer"])
        )
        items = [
            {"id": found["id"], "version": found["version"]}
            for row in open_now
            if row["order_no"] in numbers
            for found in row["exceptions"]
            if found["state"] == "open"
        ]
        if items:
            _ask(client, "decide_exceptions", p_items=items, p_decision=decision, p_reason=reason)

    def release(self) -> None:
        """Releases whatever is ready, as operations do at the end of a round."""
        client = self.person("Y001")
        count = db.rpc(client, "ready_list", p_filter={}, p_limit=1)["count"]
        if count:
            _ask(client, "release_orders", p_items=None, p_filter={}, p_count=count)


def play(settings: Settings, admin_url: str, password: str, *, say: Say, now: datetime | None = None) -> None:
    """Fills an empty installation. `admin_url`: the superuser of the embedded database, for the clock."""
    story = plan.make(now or datetime.now(UTC))
    player = Player(settings, password)
    say("Demo: shops and people …")
    player.open_shops()
    player.hire()
    with clock.borrowed(admin_url) as set_clock:
        set_clock(story.rounds[0].at - timedelta(hours=1))
        first, today = (at.astimezone(ZONE).date() for at in (story.rounds[0].at, story.now))
        rota.plan(player.person("M001"), first, today)
        name, data = files.stock_file()
        import_file(player.importer, data, name=name, kind="products")
        for number, batch in enumerate(story.rounds, 1):
            say(f"Demo: three weeks of orders, {number} of {len(story.rounds)} …")
            _play_round(player, batch, set_clock)
        say("Demo: texts and words …")
        listings.play(player, set_clock, story.now)
        say("Demo: today …")
        _play_today(player, story, set_clock)
        say("Demo: after-sales …")
        tickets.play(player, set_clock, story.now)
        say("Demo: presales …")
        leads.play(player, set_clock, story.now)
        say("Demo: figures and improvements …")
        figures.play(player, set_clock, story.now)


def _play_round(player: Player, batch: plan.Batch, set_clock: Callable[[datetime], None]) -> None:
    """Import, decide within the hour, import what customers corrected, release; a few decisions come late."""
    steps: tuple[tuple[int, frozenset[str], str, str, str], ...] = (
        (35, batch.waived, "Y001", "waived", "customer_confirmed"),
        (55, batch.cancelled, "M002", "cancelled", "unreachable"),
    )
    set_clock(batch.at)
    player.take_in(batch.orders)
    for minutes, numbers, staff_no, decision, reason in steps:
        set_clock(batch.at + timedelta(minutes=minutes))
        player.decide(staff_no, numbers, decision, reason)
    set_clock(batch.at + timedelta(minutes=90))
    player.take_in(batch.corrected)
    set_clock(batch.at + timedelta(minutes=150))
    player.decide("Y001", batch.late, "waived", "customer_confirmed")
    player.release()


def _play_today(player: Player, story: plan.Plan, set_clock: Callable[[datetime], None]) -> None:
    """The last full files, then this day's arrivals; some at the customer, some in colleagues' hands."""
    set_clock(story.final_at)
    player.take_in(story.final)
    player.take_in_parcels(story.final)
    name, data = files.stock_file()
    import_file(player.importer, data, name=name, kind="products")
    for at, orders in story.today:
        set_clock(at)
        player.take_in(orders)
        if at == story.today[0][0]:
            set_clock(at + timedelta(minutes=40))
            player.decide("Y001", story.done_today, "waived", "customer_confirmed")
    set_clock(story.now)
    player.decide("K004", story.at_customer, "waiting_customer", "asked_chat")
    for staff_no, count in (("K002", 1), ("K004", 1), ("Y002", 1)):
        _ask(player.person(staff_no), "claim_next", p_filter={}, p_count=count)


def _invitation(settings: Settings, person: Person, code: str) -> dict[str, Any]:
    return {
        "display_name": person.name,
        "staff_no": person.staff_no,
        "role": person.role,
        "skills": list(person.skills),
        "shops": list(person.shops),
        "approval_limit": person.approval_limit,
        "token_hash": auth.code_hash(settings, code),
    }


def _ask(client: Client, name: str, **params: Any) -> Any:
    return db.command(client, name, request_id=uuid.uuid4(), **params)
