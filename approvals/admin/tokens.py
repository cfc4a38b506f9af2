"""API tokens: seen, and revoked."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from approvals.tokens import ApiToken, token_revoke
from promises.admin import ReadOnlyAdmin


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens are made by `./run manage token create`, which shows the text once; here they are seen and revoked."""

    list_display = ("text", "user", "scope_names", "human", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("prefix__exact", "user__username__exact")
    fields = ("user", "prefix", "scope_names", "human", "created_at", "expires_at", "last_used_at", "revoked_at")
    actions = ("revoke_selected",)

    @admin.display(description=_("token"), ordering="prefix")
    def text(self, token: ApiToken) -> SafeString:
        return format_html("<code>cs_{}_…</code>", token.prefix)

    @admin.display(description=_("scopes"))
    def scope_names(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.action(description=_("Revoke the selected tokens"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoking again keeps the first time."""
        prefixes = list(queryset.values_list("prefix", flat=True))
        for prefix in prefixes:
            token_revoke(prefix, now=timezone.now())
        told = ngettext("%(n)d token revoked.", "%(n)d tokens revoked.", len(prefixes)) % {"n": len(prefixes)}
        self.message_user(request, told)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("approvals.change_apitoken"))
