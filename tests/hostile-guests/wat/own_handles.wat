;; Makes handles to a resource of its own: they live in the host's memory, not in the guest's.
(component
  (type $own (resource (rep i32)))
  (core func $new (canon resource.new $own))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (func (export "attack") (loop $l (drop (call $new (i32.const 7))) (br $l))))
  (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
  (func (export "attack") (canon lift (core func $i "attack"))))
