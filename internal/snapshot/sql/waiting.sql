-- Pushes that are to be delivered later and have no row yet.
INSERT INTO waiting_pushes AS t (partition, app, user_name, position, push_id, trace_id, span, digest, accepted, family,
        command, device, name, label, collapse_key, body, first_wins, due, ttl)
SELECT $1::integer, n.*
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::uuid[], $6::uuid[], $7::bigint[],
        $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::text[],
        $14::text[], $15::text[], $16::bytea[], $17::boolean[], $18::bigint[], $19::bigint[])
    AS n(app, user_name, position, push_id, trace_id, span, digest, accepted, family, command,
        device, name, label, collapse_key, body, first_wins, due, ttl)
