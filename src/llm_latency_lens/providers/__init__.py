"""Who can be asked: frozen facts about each provider. A provider opens no socket."""
