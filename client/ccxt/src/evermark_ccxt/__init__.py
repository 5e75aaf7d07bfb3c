"""Evermark for ccxt: after this import `ccxt.evermark`, `ccxt.async_support.evermark` and `ccxt.pro.evermark` are there like any other."""

import ccxt
import ccxt.async_support
import ccxt.pro

from evermark_ccxt.pro import evermark as _pro
from evermark_ccxt.rest_async import evermark as _async
from evermark_ccxt.rest_sync import evermark

for _library, _kind in ((ccxt, evermark), (ccxt.async_support, _async), (ccxt.pro, _pro)):
    _library.evermark = _kind
    if "evermark" not in _library.exchanges:
        _library.exchanges.append("evermark")

__all__ = ["evermark"]
