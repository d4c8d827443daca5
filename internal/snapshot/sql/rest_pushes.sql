-- What each user is owed: how much, when the first is late, since when the first
-- waits of which nobody was told, and whether the state alone may end one.
SELECT app, user_name, count(*), min(dead), coalesce(min(since) FILTER (WHERE NOT unreached), 0),
    bool_or(never <> 0 OR ask <> 0 OR class <> 0 OR delivered)
FROM pending_pushes
WHERE partition = $1
GROUP BY app, user_name
