-- Pushes that have no row yet.
INSERT INTO pending_pushes AS t (partition, app, user_name, position, push_id, trace_id, span, digest, accepted, family,
        command, device, name, label, collapse_key, body, first_wins, since, dead, first_position,
        pushed, never, ask, class, delivered, unconfirmed, unreached)
SELECT $1::integer, n.*
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::uuid[], $6::uuid[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[],
        $14::text[], $15::text[], $16::bytea[], $17::boolean[], $18::bigint[], $19::bigint[],
        $20::bigint[], $21::bigint[], $22::integer[], $23::integer[], $24::integer[], $25::boolean[],
        $26::boolean[], $27::boolean[])
    AS n(app, user_name, position, push_id, trace_id, span, digest, accepted, family, command,
        device, name, label, collapse_key, body, first_wins, since, dead, first_position, pushed, never,
        ask, class, delivered, unconfirmed, unreached)
