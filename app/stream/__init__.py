"""The stream: what happens, told as it happens, over one WebSocket at the root of the address."""
