-- depends_on: {{ ref("customers_audit") }}
select customer_id, age, basket from {{ ref("customers") }}
