"""Starting a workflow from the pages: the list of what there is, and a form made from the signature."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from approvals.drafts import draft_keep, draft_take
from approvals.samples import sample_read, samples_of
from approvals.start_form import FILE_SUFFIX, ID_FIELD, OWN_NAMES, TEXT_FILES, StartForm, is_text_file, parameters_of
from workflows import codec, executions
from workflows.errors import EncodingError, FunctionNotFound, InvalidArguments, InvalidId
from workflows.registry import Workflow, registry


@login_required
@require_GET
def workflows(request: HttpRequest) -> HttpResponse:
    """Every registered workflow."""
    listed = [
        {"name": found.name, "summary": summary_of(found), "parameters": [p.name for p in parameters_of(found)]}
        for found in registry.all()
    ]
    return render(request, "approvals/start.html", {"workflows": listed})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def start_workflow(request: HttpRequest, name: str) -> HttpResponse:
    """The form, and what it does: start the workflow in the name of whoever is signed in."""
    if not request.user.is_authenticated:
        return sign_in_first(request)
    workflow = workflow_or_404(name)
    form = form_of(request, workflow)
    if request.method == "POST" and form.is_valid():
        handle = execution_start(request, form)
        if handle is not None:
            return redirect("approvals:run", handle.id)
    return form_page(request, form)


@login_required
@require_GET
def sample(request: HttpRequest, name: str, file: str) -> HttpResponse:
    """A sample file, to download."""
    text = sample_read(workflow_or_404(name), file)
    if text is None:
        raise Http404(_("There is no such sample."))
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)


def sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the sign-in and back. What was typed is kept; Django has seen already that the form was one of ours."""
    if request.method == "POST":
        data, _unreadable = typed_of(request)
        data.pop("csrfmiddlewaretoken", None)
        draft_keep(request, request.path, data.dict())
    return redirect_to_login(request.get_full_path())


def execution_start(request: HttpRequest, form: StartForm) -> "executions.Handle[Any] | None":
    """Start what the form says, or find what it has started before; None when it was refused, and the form says why."""
    given = form.arguments
    try:
        handle, created = executions.start(
            form.workflow,
            kwargs=given,
            id=form.cleaned_data[ID_FIELD],
            requester=request.user.get_username(),
        )
    except InvalidArguments as error:
        form.add_refusal(error)
    except InvalidId as error:
        form.add_error(ID_FIELD, str(error))
    except EncodingError as error:
        form.add_error(None, str(error))
    else:
        if created or is_same_call(request, handle, form, given):
            return handle
        form.add_error(ID_FIELD, _("This id is taken by another run. Choose a new one and start again."))
    return None


def is_same_call(
    request: HttpRequest, handle: "executions.Handle[Any]", form: StartForm, given: dict[str, Any]
) -> bool:
    """Whether the execution of this id is what the form asks for, started by the same person: it was sent twice."""
    promise = handle.promise()
    requester = promise.tags.get("countersign:requester", "")
    if requester != request.user.get_username():
        return False
    try:
        call = promise.param.decode()
    except ValueError:
        return False
    if not isinstance(call, dict) or call.get("func") != form.workflow.name:
        return False
    if call.get("kwargs", {}) != {key: codec.to_json(value) for key, value in given.items()} or call.get("args"):
        return False
    messages.info(request, _("This run has been started before; it was not started again."))
    return True


def form_of(request: HttpRequest, workflow: Workflow[..., Any]) -> StartForm:
    """The form as it was sent, now or before the sign-in, with people's own names as they are; or an empty one, filled
    with a sample if the address asks for it."""
    username, is_staff = request.user.get_username(), bool(request.user.is_staff)
    common: dict[str, Any] = {"may_name_others": is_staff}
    unreadable: list[str] = []
    if request.method == "POST":
        data, unreadable = typed_of(request)
    elif kept := draft_take(request, request.path):
        messages.info(request, _("You had been signed out, so nothing was started. What you typed is still here."))
        data = QueryDict(mutable=True)
        data.update(kept)
    else:
        text = sample_read(workflow, request.GET.get("sample", ""))
        initial = dict.fromkeys(TEXT_FILES, text) if text is not None else {}
        return StartForm(workflow, username, initial=initial, **common)
    if not is_staff:
        data.update({name: username for name in OWN_NAMES if name in workflow.signature.parameters})
    form = StartForm(workflow, username, data=data, **common)
    for name in unreadable:
        form.errors.pop(name, None)  # that nothing was typed is not the point
        form.add_error(name, _("This file is not text in UTF-8; save it as CSV in UTF-8 and choose it again."))
    return form


def typed_of(request: HttpRequest) -> tuple[QueryDict, list[str]]:
    """What the form was sent with, the uploaded files as text; and the parameters whose file is not text."""
    data = request.POST.copy()
    unreadable = []
    for name in TEXT_FILES:
        if upload := request.FILES.get(name + FILE_SUFFIX):
            try:
                data[name] = upload.read().decode("utf-8-sig")
            except UnicodeDecodeError:
                unreadable.append(name)
    return data, unreadable


def form_page(request: HttpRequest, form: StartForm) -> HttpResponse:
    samples = samples_of(form.workflow)
    rows = [
        {
            "field": form[parameter.name],
            "file": parameter.name + FILE_SUFFIX if is_text_file(parameter) else "",
            "samples": samples.get(parameter.name, []),
        }
        for parameter in parameters_of(form.workflow)
    ]
    context = {
        "name": form.workflow.name,  # not the workflow itself: a template calls what is callable
        "version": form.workflow.version,
        "summary": summary_of(form.workflow),
        "details": details_of(form.workflow),
        "form": form,
        "rows": rows,
        "id_field": form[ID_FIELD],
    }
    status = 422 if request.method == "POST" and form.errors else 200
    return render(request, "approvals/start_workflow.html", context, status=status)


def workflow_or_404(name: str) -> Workflow[..., Any]:
    try:
        return registry.get(name)
    except FunctionNotFound as error:
        raise Http404(str(error)) from None


def summary_of(workflow: Workflow[..., Any]) -> str:
    """The first paragraph of the docstring, in one line."""
    return " ".join((workflow.__doc__ or "").strip().partition("\n\n")[0].split())


def details_of(workflow: Workflow[..., Any]) -> list[str]:
    """The other paragraphs of the docstring."""
    paragraphs = (workflow.__doc__ or "").strip().split("\n\n")[1:]
    return [" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip()]
