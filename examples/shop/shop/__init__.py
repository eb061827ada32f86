"""A small shop: a web app, a payment service and a mail server, each a process of its own."""
