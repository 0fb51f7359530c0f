"""Who sent a request, by its access token.

Source: client-server API, "Client Authentication"; application service API, "Identity
assertion".
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.server import Request

from matrix_presence.errors import (
    Forbidden,
    GuestForbidden,
    InvalidParam,
    Locked,
    MissingToken,
    UnknownToken,
)
from matrix_presence.homeserver.account import Account
from matrix_presence.homeserver.account_refusals import Exclusive, UnknownDevice
from matrix_presence.homeserver.accounts import Accounts
from matrix_presence.homeserver.appservices import AppService
from matrix_presence.homeserver.logins import token_hash
from matrix_presence.interfaces import Requester

_BEARER = b"bearer "
_V3 = b"/_matrix/client/v3/"


class Authentication:
    """Finds out who asks.

    Args:
        query_tokens_on_v3: also take `?access_token=` on v3 paths; on older ones, whose
            clients know nothing else, it is always taken (A-10).
    """

    def __init__(
        self,
        accounts: Accounts,
        appservices: Sequence[AppService] = (),
        *,
        query_tokens_on_v3: bool = True,
    ) -> None:
        self._accounts = accounts
        self._query_tokens_on_v3 = query_tokens_on_v3
        self.appservices = {token_hash(one.as_token): one for one in appservices}

    async def create_senders(self) -> None:
        """Make the accounts of the application services' own users, where missing."""
        for appservice in self.appservices.values():
            if not self._accounts.is_taken(self._sender(appservice)):
                await self._accounts.register(appservice.sender_localpart, None)

    async def authenticate(self, request: Request) -> Requester:
        """Like `requester`, as `IHomeserver` has it."""
        return self.requester(request)

    def requester(self, request: Request) -> Requester:
        """Who sent this request; perhaps a guest.

        Raises:
            MissingToken, UnknownToken: it shows no token, or none of ours (A-11).
            Locked: the account is locked (A-14).
            Forbidden: an application service names a user that is not its own (A-12).
            UnknownDevice: it names a device that the user does not have.
        """
        token = self._token(request)
        login = self._accounts.login_of(token)
        if login is None:
            return self._for_appservice(request, token)
        self._refuse_locked(login.requester.user_id)
        address = request.getClientAddress()
        self._accounts.seen(login, getattr(address, "host", None))
        return login.requester

    def member(self, request: Request) -> Requester:
        """Who sent this request, not being a guest.

        Raises:
            GuestForbidden: it is a guest (A-13); and what `requester` raises.
        """
        requester = self.requester(request)
        if requester.is_guest:
            raise GuestForbidden("Guests may not do this")
        return requester

    def account(self, requester: Requester) -> Account:
        """The account of the requester.

        Raises:
            UnknownToken: it is gone since.
        """
        account = self._accounts.account(requester.user_id)
        if account is None:
            raise UnknownToken()
        return account

    def appservice(self, request: Request) -> AppService:
        """The application service that sent this request.

        Raises:
            MissingToken, UnknownToken: none did.
        """
        appservice = self.appservices.get(token_hash(self._token(request)))
        if appservice is None:
            raise UnknownToken()
        return appservice

    def refuse_reserved(self, user_id: str, by: AppService | None = None) -> None:
        """Do nothing, if this user id may be registered.

        Args:
            by: the application service that registers it; None for anybody.

        Raises:
            Exclusive: it is reserved for another application service.
        """
        for appservice in self.appservices.values():
            if appservice is not by and appservice.owns(user_id):
                raise Exclusive("This user id is reserved for an application service")

    def _token(self, request: Request) -> str:
        header = request.getHeader(b"Authorization")
        if header is not None and header[:7].lower() == _BEARER:
            return header[7:].strip().decode("ascii", "replace")
        in_query = self._query_tokens_on_v3 or not request.path.startswith(_V3)
        token = _argument(request, b"access_token") if in_query else None
        if token is None:
            raise MissingToken()
        return token

    def _for_appservice(self, request: Request, token: str) -> Requester:
        """The user as whom an application service acts."""
        appservice = self.appservices.get(token_hash(token))
        if appservice is None:
            raise UnknownToken()
        user_id = _argument(request, b"user_id")
        if user_id is None:
            user_id = self._sender(appservice)
        elif user_id != self._sender(appservice):
            if not appservice.covers(user_id):
                raise Forbidden("This user is not in your namespace")
            if not self._accounts.exists(user_id):
                raise Forbidden("You have not registered this user")
        self._refuse_locked(user_id)
        account = self._accounts.account(user_id)
        device_id = _argument(request, b"device_id")
        if device_id is not None and (
            account is None or device_id not in account.devices
        ):
            raise UnknownDevice("The user has no such device")
        return Requester(
            user_id,
            device_id,
            is_appservice=True,
            is_suspended=account is not None and account.is_suspended,
        )

    def _refuse_locked(self, user_id: str) -> None:
        account = self._accounts.account(user_id)
        if account is not None and account.is_locked:
            raise Locked()

    def _sender(self, appservice: AppService) -> str:
        return f"@{appservice.sender_localpart}:{self._accounts.server_name}"


def _argument(request: Request, name: bytes) -> str | None:
    values: list[bytes] | None = request.args.get(name) if request.args else None
    if not values:
        return None
    try:
        return values[0].decode()
    except UnicodeDecodeError:
        raise InvalidParam("A query parameter is not UTF-8") from None
