SELECT app, user_name, place,
    session, at, device, reason
FROM ended_sessions
WHERE partition = $1
ORDER BY app, user_name, place
