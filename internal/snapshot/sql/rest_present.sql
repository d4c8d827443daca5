-- Of whom something may be said at once: a route, a connection that must go, a
-- session that wants to end, a push that was acknowledged or tried too often.
SELECT app, user_name, 0::bigint FROM routes WHERE partition = $1
UNION ALL
SELECT app, user_name, 0 FROM closing WHERE partition = $1
UNION ALL
SELECT app, user_name, 0 FROM sessions WHERE partition = $1 AND live AND leaving <> 0
UNION ALL
SELECT app, user_name, 0 FROM debts WHERE partition = $1 AND (acked OR tries > 0)
