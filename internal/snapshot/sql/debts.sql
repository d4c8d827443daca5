-- What is known of a push for a device.
INSERT INTO debts AS t (partition, app, user_name, position, place, dispatched, sent, acked_at, opened,
        sent_at, attempt, attempt_gate, attempt_incarnation, attempt_connection, ack_gate,
        ack_incarnation, ack_connection, class, tries, owed, acked, routed)
SELECT $1::integer, n.*
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::integer[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
        $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::integer[],
        $19::smallint[], $20::boolean[], $21::boolean[], $22::boolean[])
    AS n(app, user_name, position, place, dispatched, sent, acked_at, opened, sent_at, attempt,
        attempt_gate, attempt_incarnation, attempt_connection, ack_gate, ack_incarnation,
        ack_connection, class, tries, owed, acked, routed)
ON CONFLICT (partition, app, user_name, position, place) DO UPDATE SET
    (dispatched, sent, acked_at, opened, sent_at, attempt, attempt_gate,
        attempt_incarnation, attempt_connection, ack_gate, ack_incarnation, ack_connection,
        class, tries, owed, acked, routed) =
    (excluded.dispatched, excluded.sent, excluded.acked_at, excluded.opened,
        excluded.sent_at, excluded.attempt, excluded.attempt_gate,
        excluded.attempt_incarnation, excluded.attempt_connection, excluded.ack_gate,
        excluded.ack_incarnation, excluded.ack_connection, excluded.class, excluded.tries,
        excluded.owed, excluded.acked, excluded.routed)
