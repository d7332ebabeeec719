;; Returns the 200th case of an enum of two.
(component
  (core module $m (func (export "attack") (result i32) (i32.const 200)))
  (core instance $i (instantiate $m))
  (type $two (enum "left" "right"))
  (export $side "side" (type $two))
  (func (export "attack") (result $side) (canon lift (core func $i "attack"))))
