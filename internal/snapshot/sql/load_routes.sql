SELECT app, user_name, place,
    gate, incarnation, connection, base, resume_at, since, in_flight, max_frame, adopt
FROM routes
WHERE partition = $1
ORDER BY app, user_name, place
