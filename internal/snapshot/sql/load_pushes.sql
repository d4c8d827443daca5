SELECT app, user_name, 0,
    position, push_id, trace_id, span, digest, accepted, family, command, device, name,
    label, collapse_key, body, first_wins, since, dead, first_position, pushed, never, ask, class,
    delivered, unconfirmed, unreached
FROM pending_pushes
WHERE partition = $1
ORDER BY app, user_name, position
