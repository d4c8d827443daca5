SELECT app, user_name, place,
    push_id, at
FROM tombstones
WHERE partition = $1
ORDER BY app, user_name, place
