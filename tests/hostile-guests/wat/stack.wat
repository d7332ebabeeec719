;; Calls itself until the stack ends.
(component
  (core module $m
    (func $deeper (export "attack") (result i64)
      (i64.add (call $deeper) (call $deeper))))
  (core instance $i (instantiate $m))
  (func (export "attack") (result u64) (canon lift (core func $i "attack"))))
