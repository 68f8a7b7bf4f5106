"""``/docs``: the API reference, drawn by Swagger UI from files of our own."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

_FILES = "/static-offline-docs"  # where FastAPIOffline puts them
# Swagger UI's own are too pale to be read by many (WCAG 1.4.3: 4.5 to 1).
_COLOURS = {
    ".opblock.opblock-get .opblock-summary-method": "background: #1b5fab",
    ".opblock.opblock-post .opblock-summary-method": "background: #1d7044",
    ".opblock.opblock-patch .opblock-summary-method": "background: #0b6862",
    ".opblock.opblock-put .opblock-summary-method": "background: #8a4b00",
    ".opblock.opblock-delete .opblock-summary-method": "background: #b3261e",
    ".info .title small.version-stamp": "background: #4a6a00",
    ".info .title small pre.version": "color: #fff",
    "a, .info a, .info .url": "color: #1b5fab",
    ".btn.authorize, .btn.authorize span": "color: #1d7044; border-color: #1d7044",
    ".btn.authorize svg": "fill: #1d7044",
}
_STYLE = "".join(f".swagger-ui :is({where}) {{ {what} }}\n" for where, what in _COLOURS.items())
# What the page leaves out: its language, a heading, and where its content is (WCAG 3.1.1, 1.3.1).
_MENDED = {
    "<html>": '<html lang="en">',
    "</head>": f"<style>\n{_STYLE}</style>\n    </head>",
    "<body>": '<body style="margin: 0; font-family: sans-serif">',
    '<div id="swagger-ui">\n    </div>': (
        '<main><h1 style="max-width: 1460px; margin: 0 auto; padding: 24px 20px 0">API reference</h1>'
        '<div id="swagger-ui"></div></main>'
    ),
}


def install(app: FastAPI) -> None:
    """Serve the page for the application's document."""

    @app.get("/docs", include_in_schema=False)
    async def show_reference(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        page = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title}: API reference",
            swagger_js_url=f"{root}{_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_FILES}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_FILES}/favicon.png",
        )
        text = bytes(page.body).decode()
        for plain, mended in _MENDED.items():
            text = text.replace(plain, mended, 1)
        return HTMLResponse(text)
