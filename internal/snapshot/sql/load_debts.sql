SELECT app, user_name, place,
    position, dispatched, sent, acked_at, opened, sent_at, attempt, attempt_gate,
    attempt_incarnation, attempt_connection, ack_gate, ack_incarnation, ack_connection,
    class, tries, owed, acked, routed
FROM debts
WHERE partition = $1
ORDER BY app, user_name, position, place
