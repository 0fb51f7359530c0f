"""The accounts of the embedded homeserver.

Everything is in memory and written through: a method changes memory and tells the
listeners at once, and returns when the change is on disk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from twisted.internet.interfaces import IReactorTime

from matrix_presence.homeserver.account import Account, Device
from matrix_presence.homeserver.account_refusals import UserInUse
from matrix_presence.homeserver.account_rows import stored_accounts
from matrix_presence.homeserver.account_streams import AccountStreams
from matrix_presence.homeserver.commits import written
from matrix_presence.homeserver.listeners import tell
from matrix_presence.homeserver.logins import Login, Logins
from matrix_presence.homeserver.passwords import Passwords, checked_password
from matrix_presence.homeserver.usernames import new_user_id
from matrix_presence.ids import server_of
from matrix_presence.interfaces import NO_PROFILE, Profile, Requester
from matrix_presence.storage.connection import Cursor, Statement
from matrix_presence.storage.database import Database

#: A device's last visit is written down at most this often, in milliseconds.
_SEEN_EVERY = 120_000


class Accounts(AccountStreams):
    """Who may log in, from where, and what the server keeps for them."""

    def __init__(
        self,
        server_name: str,
        database: Database,
        clock: IReactorTime,
        passwords: Passwords,
    ) -> None:
        super().__init__(database, clock)
        self.server_name = server_name
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._accounts: dict[str, Account] = {}
        self._logins = Logins(())

    @classmethod
    async def load(
        cls,
        database: Database,
        server_name: str,
        clock: IReactorTime,
        passwords: Passwords,
    ) -> Accounts:
        """The accounts in a database whose tables are up to date."""
        accounts = cls(server_name, database, clock, passwords)
        await database.run(accounts._read)
        return accounts

    def _read(self, cursor: Cursor) -> None:
        self._accounts = stored_accounts(cursor)
        self._logins = Logins(self._accounts.values())
        self.read_streams(cursor)

    # Who there is.

    def account(self, user_id: str) -> Account | None:
        """The account of this name, unless it does not exist or is deactivated."""
        account = self._accounts.get(user_id)
        return account if account and not account.is_deactivated else None

    def exists(self, user_id: str) -> bool:
        """Whether this is an account of ours that is not deactivated."""
        return self.account(user_id) is not None

    def is_local(self, user_id: str) -> bool:
        """Whether the user id is one of this server, of an account or not."""
        return server_of(user_id) == self.server_name

    def is_taken(self, user_id: str) -> bool:
        """Whether there is or was such an account; ids are never given out again."""
        return user_id in self._accounts

    def user_ids(self) -> Iterable[str]:
        """All accounts that are not deactivated."""
        return [
            one.user_id for one in self._accounts.values() if not one.is_deactivated
        ]

    def profile(self, user_id: str) -> Profile:
        """The profile of a local user; empty for anybody else."""
        account = self._accounts.get(user_id)
        return account.profile if account else NO_PROFILE

    def requester_of(self, token: str) -> Requester | None:
        """Who has this access token."""
        login = self._logins.behind(token)
        return login.requester if login else None

    def login_of(self, token: str) -> Login | None:
        """Who has this access token, and on which device."""
        return self._logins.behind(token)

    # Accounts.

    async def register(
        self, localpart: str, password: str | None, *, is_guest: bool = False
    ) -> Account:
        """A new account.

        Args:
            password: None for one that no password opens.

        Raises:
            InvalidUsername, UserInUse: the localpart is not to be had.
            InvalidParam, TooLarge: the password is none.
            NotStored: it could not be written down.
        """
        user_id = new_user_id(localpart, self.server_name)
        self.refuse_taken(user_id)
        password_hash = None
        if password is not None:
            password_hash = await self._passwords.hashed(checked_password(password))
            # Hashing took a while.
            self.refuse_taken(user_id)
        account = Account(
            user_id, self._now(), password_hash, is_guest, profile=Profile(localpart)
        )
        self._accounts[user_id] = account
        tell(self.listeners.registered, user_id)
        await written(self._database, account.row())
        return account

    def refuse_taken(self, user_id: str) -> None:
        """Do nothing, if this user id can be had.

        Raises:
            UserInUse: it cannot.
        """
        if self.is_taken(user_id):
            raise UserInUse("This username is taken")

    async def password_fits(self, user_id: str, password: str) -> bool:
        """Whether this password opens the account; False when there is no account."""
        account = self.account(user_id)
        expected = account.password_hash if account else None
        return await self._passwords.fits(password, expected)

    async def set_password(self, account: Account, password: str) -> None:
        """Let this password open the account from now on, and no other.

        Raises:
            InvalidParam, TooLarge: it is no password.
            NotStored: it could not be written down.
        """
        password_hash = await self._passwords.hashed(checked_password(password))
        if account.is_deactivated:
            # Meanwhile: it is to keep nothing.
            return
        account.password_hash = password_hash
        await written(self._database, account.row())

    async def set_profile(self, account: Account, profile: Profile) -> None:
        """Give the user this name and picture."""
        if profile == account.profile:
            return
        account.profile = profile
        tell(self.listeners.profile_changed, account.user_id, profile)
        await written(self._database, account.row())

    async def set_flags(
        self, account: Account, *, is_locked: bool, is_suspended: bool
    ) -> None:
        """Lock or suspend an account, or take it back (A-14)."""
        account.is_locked, account.is_suspended = is_locked, is_suspended
        self._logins.flags_changed(account)
        await written(self._database, account.row())

    async def deactivate(self, account: Account) -> None:
        """Erase everything of this account but its name, which stays taken (D-40)."""
        user_id = account.user_id
        statements = self._ended(account, tuple(account.devices))
        account.password_hash = None
        account.profile = NO_PROFILE
        account.is_deactivated = True
        statements += [
            self.data.forget(user_id),
            self.filters.forget(user_id),
            account.row(),
        ]
        tell(self.listeners.logged_out, user_id, None)
        tell(self.listeners.deactivated, user_id)
        await written(self._database, *statements)

    # Devices.

    async def log_in(
        self, account: Account, device_id: str | None, display_name: str | None
    ) -> tuple[Device, str]:
        """A device and its new access token; see `Logins.log_in`."""
        known = device_id in account.devices
        device, token = self._logins.log_in(account, device_id, display_name)
        statements = [account.device_row(device)]
        if not known:
            statements.append(self.keys.changed(account.user_id))
        await written(self._database, *statements)
        return device, token

    async def log_out(self, account: Account, device_ids: Collection[str]) -> None:
        """End these devices of this account; unknown ones are passed over."""
        known = [one for one in device_ids if one in account.devices]
        statements = self._ended(account, known)
        for device_id in known:
            tell(self.listeners.logged_out, account.user_id, device_id)
        await written(self._database, *statements)

    async def log_out_all(self, account: Account) -> None:
        """End all devices of this account."""
        statements = self._ended(account, tuple(account.devices))
        tell(self.listeners.logged_out, account.user_id, None)
        await written(self._database, *statements)

    async def rename_device(self, account: Account, device: Device, name: str) -> None:
        """Call this device by another name."""
        device.display_name = name
        change = self.keys.changed(account.user_id)
        await written(self._database, account.device_row(device), change)

    def seen(self, login: Login, ip: str | None) -> None:
        """This device has asked for something."""
        now = self._now()
        device, last = login.device, login.device.last_seen_ts
        if last is not None and now - last < _SEEN_EVERY and ip == device.last_seen_ip:
            return
        device.last_seen_ts, device.last_seen_ip = now, ip
        account = self._accounts[login.requester.user_id]
        # Nobody waits for this one; the next visit writes it again.
        self._database.write(*account.device_row(device)).addErrback(_passed_over)

    def _ended(self, account: Account, device_ids: Collection[str]) -> list[Statement]:
        """End devices in memory; answers the statements that do it on disk."""
        statements: list[Statement] = []
        for device_id in device_ids:
            address = (account.user_id, device_id)
            statements.append(self._logins.log_out(account, device_id))
            statements.append(self.inbox.forget(*address))
            statements += self.keys.forget(*address)
        return statements

    def _now(self) -> int:
        """Epoch milliseconds."""
        return int(self._clock.seconds() * 1000)


def _passed_over(_failure: object) -> None:
    """What was to be written is not worth a word."""
