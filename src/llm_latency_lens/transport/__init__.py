"""Open, send, stamp, receive: the only place where bytes meet sockets."""
