-- Before the first look: a statement of its own that takes no snapshot.
LOCK TABLE projection IN ACCESS SHARE MODE
