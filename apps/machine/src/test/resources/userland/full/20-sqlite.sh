# The sqlite3 command, on a file in tmpfs.
sqlite3 base.db <<'Q'
create table numbers(n integer primary key, square real, word text);
with recursive c(n) as (values(1) union all select n + 1 from c where n < 4000) insert into numbers select n, sqrt(n) * n, printf('w%05d', n * 7919 % 4001) from c;
create index words on numbers(word);
select count(*), sum(square), avg(square), max(word), min(square / 7) from numbers;
select a.n, b.word, a.square - b.square, exp(-a.n / 100.0), sin(a.n), pow(a.n, 1.1) from numbers a join numbers b on b.n = a.n * 2 where a.n % 271 = 0 order by b.word;
select substr(word, 1, 3) k, group_concat(n), total(square) over (order by substr(word, 1, 3)) from numbers where n < 60 group by k;
update numbers set square = square * 1.0000001 where n % 3 = 0; delete from numbers where n % 7 = 0; vacuum; pragma integrity_check; select hex(sum(square)), count(*) from numbers;
select json_extract('{"a":[1,2.5,{"b":1e-7}]}', '$.a[2].b'), json_group_array(n / 3.0) from numbers where n < 20; select datetime(1234567890, 'unixepoch'), julianday('2026-11-22'), round(2.675, 2), 1e308 * 10, 9223372036854775807 + 1;
Q
sqlite3 base.db .dump | sha256sum; rm base.db
