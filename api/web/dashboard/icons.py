"""Icons: strokes on a grid of 24, drawn into the page, because a page may load nothing from elsewhere."""

from __future__ import annotations

from markupsafe import Markup

_PATHS = {
    "activity": "M3 12h4l3-8 4 16 3-8h4",
    "alert": "M12 9v4m0 4h.01M10.3 3.9 2.4 17.5A2 2 0 0 0 4.1 20.5h15.8a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z",
    "arrow-left": "M19 12H5m6-6-6 6 6 6",
    "arrow-right": "M5 12h14m-6-6 6 6-6 6",
    "at": "M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0Zm0-4v5a3 3 0 0 0 6 0v-1a10 10 0 1 0-4 8",
    "ban": "M5.6 5.6l12.8 12.8M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
    "card": "M3 7a2 2 0 0 1 2-2h14a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V7Zm0 3h18M7 15h3",
    "chart": "M4 20V10m6 10V4m6 16v-7m5 7H3",
    "check": "M5 12.5l4.5 4.5L19 7.5",
    "chevron-down": "M6 9l6 6 6-6",
    "chevron-right": "M9 6l6 6-6 6",
    "clock": "M12 7v5l3.5 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
    "code": "M8 8l-4 4 4 4m8-8 4 4-4 4M13.5 5l-3 14",
    "copy": "M9 9V6a2 2 0 0 1 2-2h7a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-3M6 9h7a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2Z",
    "download": "M12 4v11m-4.5-4 4.5 4.5L16.5 11M5 20h14",
    "external": "M14 4h6v6m0-6-9 9M18 14v4a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2h4",
    "eye": "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12Zm12.5 0a3 3 0 1 1-6 0 3 3 0 0 1 6 0Z",
    "file": "M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8l-5-5Zm0 0v5h5",
    "filter": "M4 6h16M7 12h10m-7 6h4",
    "flag": "M5 21V4m0 1c5-3 9 3 14 0v9c-5 3-9-3-14 0",
    "folder": "M3 7a2 2 0 0 1 2-2h4l2.5 2.5H19a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V7Z",
    "forward": "M14 5l7 7-7 7m7-7H9a6 6 0 0 0-6 6v1",
    "globe": "M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0ZM3.5 9h17m-17 6h17M12 3c5 5 5 13 0 18-5-5-5-13 0-18Z",
    "help": "M9.2 9a3 3 0 1 1 4.6 2.6c-1 .6-1.8 1.2-1.8 2.4m0 3h.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
    "home": "M4 11l8-7 8 7v8a1 1 0 0 1-1 1h-4v-6H9v6H5a1 1 0 0 1-1-1v-8Z",
    "inbox": "M3 13h5l1.5 3h5L16 13h5M5.5 5h13L21 13v5a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2v-5L5.5 5Z",
    "info": "M12 11v5m0-8.5h.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
    "key": "M15 4.5a4.5 4.5 0 1 1-2.6 8.2L11 14H9v2H7v2.5H3.5V15l6.8-6.8A4.5 4.5 0 0 1 15 4.5Zm1 4h.01",
    "lock": "M7 11V8a5 5 0 0 1 10 0v3M6 11h12a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z",
    "log-out": "M9 20H6a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2h3m6 12 4-4-4-4m4 4H9",
    "mail": "M4 6h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1Zm-.6.8L12 13l8.6-6.2",
    "menu": "M4 7h16M4 12h16M4 17h16",
    "more": "M5 12h.01M12 12h.01M19 12h.01",
    "paperclip": "M20 11.5l-8 8a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7L9.8 17a1.7 1.7 0 0 1-2.4-2.4l7.6-7.5",
    "pencil": "M4 20l1-4L16.5 4.5a2.1 2.1 0 0 1 3 3L8 19l-4 1Z",
    "phone": "M8 3h8a1 1 0 0 1 1 1v16a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1Zm3 15h2",
    "plus": "M12 5v14M5 12h14",
    "refresh": "M20 5v5h-5M4 19v-5h5m10.5-4A8 8 0 0 0 5.7 7.3M4.5 14a8 8 0 0 0 13.8 2.7",
    "reply": "M10 5l-7 7 7 7m-7-7h12a6 6 0 0 1 6 6v1",
    "search": "M20 20l-4.4-4.4M17.5 10.8a6.8 6.8 0 1 1-13.5 0 6.8 6.8 0 0 1 13.5 0Z",
    "send": "M21 3L10 14M21 3l-7 18-4-7-7-4 18-7Z",
    "server": "M5 4h14a1 1 0 0 1 1 1v5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1Zm0 9h14a1 1 0 0 1 1 1v5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1v-5a1 1 0 0 1 1-1Zm2.5-5.5h.01m-.01 9h.01",
    "settings": "M4 8h9m5 0h2M4 16h2m5 0h9M15.5 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm-7 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
    "shield": "M12 3l7.5 3v5.5c0 4.5-3 8-7.5 9.5-4.5-1.5-7.5-5-7.5-9.5V6L12 3Zm-3.2 9 2.3 2.3L15.4 10",
    "star": "M12 4l2.5 5.1 5.6.8-4 4 .9 5.6-5-2.6-5 2.6.9-5.6-4-4 5.6-.8L12 4Z",
    "terminal": "M5 8l4 4-4 4m7 0h7",
    "trash": "M4 7h16m-10-3h4m-8 3 .8 12a1 1 0 0 0 1 1h8.4a1 1 0 0 0 1-1L18 7m-8 4v5m4-5v5",
    "upload": "M12 16V5M7.5 9 12 4.5 16.5 9M5 20h14",
    "user": "M15.5 8a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0ZM5 20c.5-4 3.3-6 7-6s6.5 2 7 6",
    "users": "M13 8.5a3.3 3.3 0 1 1-6.6 0 3.3 3.3 0 0 1 6.6 0ZM3.5 19.5c.4-3.6 2.8-5.5 6.2-5.5s5.8 1.9 6.2 5.5M16 5.4a3.3 3.3 0 0 1 0 6.2m1.5 2.7c1.8.8 2.8 2.6 3 5.2",
    "webhook": "M8 16.5a4 4 0 1 1-2-6.5m3-2.5a4 4 0 1 1 6.5 3.5L18 15m-2.5-.8a4 4 0 1 1-1 5.8M12 7l-3.5 6.5M10 18h5",
    "x": "M6 6l12 12M18 6L6 18",
}


def icon(name: str, label: str = "") -> Markup:
    """An icon; with a ``label`` it says something by itself, without one it decorates."""
    named = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    return Markup('<svg class="icon" viewBox="0 0 24 24" {}><path d="{}"/></svg>').format(named, _PATHS[name])
