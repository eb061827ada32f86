"""Django: its users are known to tako below /tako, and everything else stays Django's.

python django_app.py migrate && python django_app.py add-user ana espresso
uvicorn django_app:app --port 8000
"""

import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings

HERE = Path(__file__).parent
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "django.db"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
    ],
    LOGIN_REDIRECT_URL="/tako/",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for this example",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {
                            "registration/login.html": "<h1>The shop</h1><form method='post'>"
                            "{% csrf_token %}{{ form }}<button>Log in</button></form>"
                        },
                    )
                ]
            },
        }
    ],
    USE_TZ=True,
)
django.setup()

# Django's models can be imported only now.
from django.contrib.auth import aget_user, get_user_model  # noqa: E402
from django.contrib.auth.decorators import login_required  # noqa: E402
from django.contrib.auth.views import LoginView  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import execute_from_command_line  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402
from django.views.decorators.http import require_POST  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.routing import Mount  # noqa: E402

import tako  # noqa: E402
from tako.web import mounted  # noqa: E402

tako.configure(app=HERE)  # for the views of ours that enqueue


async def who(request: Request) -> str | None:
    """What tako asks for each request: the user of Django's session, or None."""
    known = HttpRequest()
    known.session = SessionStore(request.cookies.get(settings.SESSION_COOKIE_NAME))
    user = await aget_user(known)
    name: str | None = user.get_username() if user.is_authenticated else None
    return name


def refund(request: Any, amount: int) -> JsonResponse:
    return JsonResponse({"run": tako.enqueue_sync("refund", amount).id})


urlpatterns = [
    path("login", LoginView.as_view()),
    # Exempt for the example's sake: it is called by a program.
    path("refunds/<int:amount>", csrf_exempt(require_POST(login_required(refund)))),
]

app = Starlette(
    routes=[
        Mount("/tako", mounted(HERE, who=who, login="/login")),
        Mount("/", get_asgi_application()),
    ]
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["add-user"]:
        get_user_model().objects.create_user(sys.argv[2], password=sys.argv[3])
    else:
        execute_from_command_line(sys.argv)
