SELECT app, user_name, place,
    gate, incarnation, connection, device, reason, after, install
FROM closing
WHERE partition = $1
ORDER BY app, user_name, place
