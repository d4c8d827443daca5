-- A list's rows; those that are the same already are not written.
INSERT INTO tombstones AS t (partition, app, user_name, place, push_id, at)
SELECT $1::integer, n.*
FROM unnest($2::text[], $3::text[], $4::integer[], $5::uuid[], $6::bigint[])
    AS n(app, user_name, place, push_id, at)
ON CONFLICT (partition, app, user_name, place) DO UPDATE SET
    (push_id, at) =
    (excluded.push_id, excluded.at)
WHERE (t.push_id, t.at)
    IS DISTINCT FROM (excluded.push_id, excluded.at)
